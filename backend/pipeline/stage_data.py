"""What flows from stage to stage. Every type is frozen; shapes are in the annotations.

Images are sRGB in [0, 1] with straight alpha, rows from the top. Positions are in Bozzetto's frame
(+Y up, the reference camera on +Z). Until `mesh` the object lives in the pack's model frame; `mesh` scales
it so that its bounding box is centred and its longest side is 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32, UInt8
from torch import Tensor

from backend.geometry.cameras import Cameras, six_view_cameras
from backend.models.interfaces import SeenSurfaces
from backend.protocol import MULTIVIEW

STAGES = ("foreground", "views", "normals", "field", "mesh", "textures", "export")


@dataclass(frozen=True)
class Options:
    """What a user may choose for one asset."""

    pack: str = "nano"
    seed: int = 0
    faces: int = 10_000
    """Upper limit on triangles of the result."""
    texture_size: int = 1024
    """Side of the square maps, pixels."""
    steps: int | None = None
    """Denoising steps; the pack's default when None."""
    guidance: float | None = None
    """Classifier-free guidance scale; the pack's default when None."""
    height_metres: float = 1.0
    """Height of the exported asset."""
    route: str | None = None
    """One of protocol.ROUTES; the pack's own when None."""


class Progress(Protocol):
    """How a running stage speaks to whoever watches. Any call may raise `Cancelled`."""

    def advance(self, stage: str, fraction: float) -> None:
        """`fraction` in [0, 1] of one of STAGES is done."""

    def preview(self, name: str, image: UInt8[np.ndarray, "h w c"]) -> None:
        """An image to show now; `name` is an artifact name such as 'views/rgb_0.png'."""


@dataclass(frozen=True)
class Foreground:
    """The object cut out: a square crop, the object's box centred and filling `fill` of the side."""

    image: Float32[np.ndarray, "size size 4"]
    """sRGB and straight alpha at the source's own resolution (not resampled up)."""
    fill: float
    method: str
    """'alpha', 'rembg' or 'grabcut'."""


@dataclass(frozen=True)
class Views:
    """Six generated views; none on a route that goes straight from the image to the field."""

    rgba: Float[Tensor, "view 4 size size"]
    cameras: Cameras
    elevation_degrees: float
    """Elevation of the reference view: estimated, or 0 in a frame that is the reference camera's own."""
    seen: SeenSurfaces | None = None
    """From a pack whose models locate what the reference shows."""


@dataclass(frozen=True)
class NormalViews:
    """World-frame unit normals for each of the six views (zero outside the object)."""

    normals: Float[Tensor, "view 3 size size"]
    depth: Float[Tensor, "view size size"] | None
    """Distance along the viewing axis, for packs that predict it."""


def no_views() -> tuple[Views, NormalViews]:
    """What a route without views has: zero of each."""
    nothing = torch.zeros(0, 4, 1, 1)
    return Views(nothing, six_view_cameras(1.0)[[]], 0.0), NormalViews(nothing[:, :3], None)


@dataclass(frozen=True)
class FieldSamples:
    """The field's values at points."""

    sdf: Float[Tensor, " point"]
    """Signed distance in model units, negative inside."""
    albedo: Float[Tensor, "point 3"]
    """sRGB in [0, 1]."""
    roughness: Float[Tensor, " point"] | None
    """None, like `metallic`, from a network without a material head."""
    metallic: Float[Tensor, " point"] | None


class Field(Protocol):
    """The reconstructed object as a function of position, in the model frame."""

    half_extent: float
    """The object lies in [-half_extent, half_extent]^3."""

    def sdf(self, points: Float[Tensor, "point 3"]) -> Float[Tensor, " point"]:
        """Signed distance only: what the isosurface asks for."""

    def sample(self, points: Float[Tensor, "point 3"]) -> FieldSamples:
        """Everything: what the baking asks for."""


@runtime_checkable
class SurfacedField(Field, Protocol):
    """A field that brings its own surface (see models.interfaces.SurfacedField)."""

    def surface(
        self, on_fraction: Callable[[float], None]
    ) -> tuple[Float32[np.ndarray, "vertex 3"], Int32[np.ndarray, "face 3"]]:
        """Closed mesh in the model frame, counter-clockwise from outside."""


@dataclass(frozen=True)
class DetailedSurface:
    """A mesh before its faces were reduced to the user's number, in the field's frame."""

    vertices: Float32[np.ndarray, "vertex 3"]
    faces: Int32[np.ndarray, "face 3"]
    normals: Float32[np.ndarray, "vertex 3"]


@dataclass(frozen=True)
class Mesh:
    """A cleaned triangle mesh, bounding box centred at the origin, longest side 1."""

    vertices: Float32[np.ndarray, "vertex 3"]
    faces: Int32[np.ndarray, "face 3"]
    """Counter-clockwise from outside."""
    normals: Float32[np.ndarray, "vertex 3"]
    field_vertices: Float32[np.ndarray, "vertex 3"]
    """Where the field and the views have the vertices, before these were fitted to the reference image."""
    model_scale: float
    """position_in_model_frame = position * model_scale + model_offset, for `field_vertices`."""
    model_offset: Float32[np.ndarray, " 3"]
    watertight: bool
    components: int
    detail: DetailedSurface | None = None
    """Where the normal map's detail comes from; None where the field's own gradient is better."""


@dataclass(frozen=True)
class Maps:
    """Square texture maps, rows from the top (v = 1 at the first row)."""

    base_color: UInt8[np.ndarray, "size size 3"]
    """sRGB."""
    roughness: UInt8[np.ndarray, "size size"]
    metallic: UInt8[np.ndarray, "size size"]
    normal: UInt8[np.ndarray, "size size 3"]
    """Tangent space, +Y up (OpenGL, as glTF asks)."""


@dataclass(frozen=True)
class MaterialImages:
    """Roughness and metallic as a material model sees them in pictures of the object."""

    images: Float32[np.ndarray, "view size size 4"]
    """Roughness, metallic, nothing, and the object's alpha: of the six views, or of the reference alone."""
    model: str
    """The material model's pack."""


@dataclass(frozen=True)
class MaterialSource:
    """Where an asset's roughness and metallic come from."""

    source: str
    """'field', 'defaults', or the name of the material model's pack."""
    roughness: float | None = None
    """With 'defaults' and a material model: the one value wherever nothing was seen."""
    metallic: float | None = None


@dataclass(frozen=True)
class TexturedMesh:
    """The mesh split along its UV seams, with its maps and the camera of the reference image."""

    vertices: Float32[np.ndarray, "vertex 3"]
    faces: Int32[np.ndarray, "face 3"]
    normals: Float32[np.ndarray, "vertex 3"]
    tangents: Float32[np.ndarray, "vertex 4"]
    """glTF tangents: xyz and the handedness w."""
    uvs: Float32[np.ndarray, "vertex 2"]
    """v up, in [0, 1]."""
    maps: Maps
    reference_camera: Cameras
    """One camera, registered to the foreground crop, in the mesh's frame."""
    materials: MaterialSource = MaterialSource("field")


@dataclass(frozen=True)
class Fidelity:
    """The asset re-rendered, unlit, from the reference camera against the foreground crop."""

    mask_iou: float
    psnr: float
    """dB, inside the union of both masks, over white."""


@dataclass(frozen=True)
class Asset:
    """All that one image gave."""

    foreground: Foreground
    views: Views
    normal_views: NormalViews
    mesh: Mesh
    textured: TexturedMesh
    glb: bytes
    fidelity: Fidelity
    seconds: dict[str, float]
    """Wall seconds of each stage."""
    peak_memory_mb: dict[str, float]
    """Process peak resident memory at each stage's end."""
    route: str = MULTIVIEW
    """One of protocol.ROUTES."""
