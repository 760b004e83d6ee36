"""The whole method: one reference image in, one textured asset out."""

from __future__ import annotations

from backend.packs.loading import AnyPack
from backend.pipeline.export import export_glb, measure_fidelity
from backend.pipeline.foreground import extract_foreground
from backend.pipeline.image_input import read_image
from backend.pipeline.materials import estimate_materials
from backend.pipeline.mesh import extract_mesh
from backend.pipeline.reference_fit import fit_to_reference
from backend.pipeline.routes import route_for
from backend.pipeline.stage_clock import StageClock
from backend.pipeline.stage_data import Asset, Foreground, Options, Progress
from backend.pipeline.textures import bake_textures


def image_to_asset(
    image: bytes | Foreground, options: Options, pack: AnyPack, progress: Progress, name: str = "asset"
) -> Asset:
    """Turn the bytes of an image file into an asset called `name`.

    The pack's route makes the field: over six views and their normals (Edify 3D, arXiv 2411.07135, figure 2),
    or straight from the image. Instead of the file, the object may be given as an earlier asset's foreground:
    it is not cut out again.

    Raises:
        OptionError: the pack does not serve the route that the options ask for.
        ImageError: the bytes are no usable image.
        ForegroundError: there is no object in the image.
        EmptySurfaceError: the networks gave no solid.
        Cancelled: raised by `progress`, at any report.
    """
    route, clock = route_for(pack, options.route), StageClock()
    with clock("foreground"):
        foreground = (
            image
            if isinstance(image, Foreground)
            else extract_foreground(read_image(image), progress=progress)
        )
    made = route.reconstruct(foreground, options, progress, clock)
    with clock("mesh"):
        mesh = extract_mesh(made.field, options.faces, progress, route.surface, made.guide)
        mesh, camera = fit_to_reference(mesh, foreground, made.views.elevation_degrees, progress)
    with clock("textures"):
        materials = estimate_materials(foreground, made.views, pack.materials, options.seed, progress)
        textured = bake_textures(
            mesh,
            made.field,
            made.views,
            foreground,
            options.texture_size,
            camera,
            progress,
            materials,
            made.guide,
        )
    with clock("export"):
        glb = export_glb(textured, name=name, height_metres=options.height_metres)
        fidelity = measure_fidelity(textured, foreground)
    progress.advance("export", 1.0)
    return Asset(
        foreground,
        made.views,
        made.normal_views,
        mesh,
        textured,
        glb,
        fidelity,
        clock.seconds,
        clock.peak_memory_mb,
        route.name,
    )
