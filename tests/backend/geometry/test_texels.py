from __future__ import annotations

import numpy as np
import trimesh

from backend.geometry.texels import extend_colours, rasterise_texels
from backend.geometry.uv_atlas import unwrap
from backend.geometry.vertex_frames import vertex_normals

QUAD = np.array([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]], np.float32)
QUAD_FACES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)


def test_texels_know_their_own_uv_with_v_up() -> None:
    texels = rasterise_texels(QUAD, QUAD_FACES, 32)
    assert len(texels.index) == 16 * 16
    uv = texels.hits.interpolate(QUAD_FACES, QUAD)
    row, column = np.divmod(texels.index, 32)
    assert np.allclose(uv[:, 0], (column + 0.5) / 32, atol=1e-5)
    assert np.allclose(uv[:, 1], 1 - (row + 0.5) / 32, atol=1e-5)


def test_everything_outside_takes_its_nearest_texel() -> None:
    texels = rasterise_texels(QUAD, QUAD_FACES, 32)
    painted = texels.paint(texels.index.astype(np.float32))
    assert np.array_equal(painted.reshape(-1)[texels.index], texels.index)
    assert painted[0, 0] == 8 * 32 + 8
    assert painted[31, 20] == 23 * 32 + 20


def test_colours_extend_outward() -> None:
    image = np.zeros((5, 5, 3), np.float32)
    image[2, 2] = 0.7
    known = np.zeros((5, 5), bool)
    known[2, 2] = True
    assert (extend_colours(image, known) == np.float32(0.7)).all()


def test_islands_neither_overlap_nor_touch() -> None:
    mesh = trimesh.creation.icosphere(3, 0.5)
    vertices, faces = mesh.vertices.astype(np.float32), mesh.faces.astype(np.int32)
    atlas = unwrap(vertices, faces, vertex_normals(vertices, faces), 256)
    assert np.array_equal(atlas.source_vertex[atlas.faces], faces)
    assert atlas.uvs.min() >= 0
    assert atlas.uvs.max() <= 1
    corners = atlas.uvs[atlas.faces]
    edge_1, edge_2 = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(edge_1[:, 0] * edge_2[:, 1] - edge_1[:, 1] * edge_2[:, 0]).sum() / 2
    texels = rasterise_texels(atlas.uvs, atlas.faces, 256)
    # Overlapping islands would have more area than they cover.
    assert abs(len(texels.index) / 256**2 / area - 1) < 0.02
    assert area > 0.4
    labels = _island_labels(atlas.faces, len(atlas.uvs))
    island = np.full((256, 256), -1)
    island.reshape(-1)[texels.index] = labels[atlas.faces[texels.hits.face, 0]]
    right, down = (island[:, :-1], island[:, 1:]), (island[:-1], island[1:])
    for one, other in (right, down):
        assert not ((one != other) & (one >= 0) & (other >= 0)).any()


def _island_labels(faces: np.ndarray, count: int) -> np.ndarray:
    edges = np.concatenate([faces[:, :2], faces[:, 1:]])
    return trimesh.graph.connected_component_labels(edges, node_count=count)
