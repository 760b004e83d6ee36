"""The whole method: one reference image in, one textured asset out."""

from __future__ import annotations

from backend.packs.loading import Pack
from backend.pipeline.export import export_glb, measure_fidelity
from backend.pipeline.field import reconstruct_field
from backend.pipeline.foreground import extract_foreground
from backend.pipeline.image_input import read_image
from backend.pipeline.mesh import extract_mesh
from backend.pipeline.normals import generate_normals
from backend.pipeline.stage_clock import StageClock
from backend.pipeline.stage_data import Asset, Foreground, Options, Progress
from backend.pipeline.textures import bake_textures
from backend.pipeline.views import generate_views


def image_to_asset(
    image: bytes | Foreground, options: Options, pack: Pack, progress: Progress, name: str = "asset"
) -> Asset:
    """Turn the bytes of an image file into an asset called `name` (Edify 3D, arXiv 2411.07135, figure 2).

    Instead of the file, the object may be given as an earlier asset's foreground: it is not cut out again.

    Raises:
        ImageError: the bytes are no usable image.
        ForegroundError: there is no object in the image.
        EmptySurfaceError: the views gave no solid.
        Cancelled: raised by `progress`, at any report.
    """
    clock = StageClock()
    with clock("foreground"):
        foreground = (
            image
            if isinstance(image, Foreground)
            else extract_foreground(read_image(image), progress=progress)
        )
    with clock("views"):
        views = generate_views(foreground, pack, options, progress)
    with clock("normals"):
        normal_views = generate_normals(foreground, views, pack, options, progress)
    with clock("field"):
        field = reconstruct_field(views, normal_views, pack, progress)
    with clock("mesh"):
        surface = pack.config.surface
        mesh = extract_mesh(field, options.faces, progress, surface.cells, surface.smoothing)
    with clock("textures"):
        textured = bake_textures(mesh, field, views, foreground, options.texture_size, progress)
    with clock("export"):
        glb = export_glb(textured, name=name, height_metres=options.height_metres)
        fidelity = measure_fidelity(textured, foreground)
    progress.advance("export", 1.0)
    return Asset(
        foreground, views, normal_views, mesh, textured, glb, fidelity, clock.seconds, clock.peak_memory_mb
    )
