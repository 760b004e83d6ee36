"""The ways from the foreground to a field. A new one is a class behind `Route`, named in `route_for`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from backend.models.presets import SurfaceConfig
from backend.options import check_route
from backend.packs.loading import AnyPack, LrmPack, Pack
from backend.pipeline.field import reconstruct_field, reconstruct_field_of_image
from backend.pipeline.normals import generate_normals
from backend.pipeline.sharpening import NormalGuide, normal_guide
from backend.pipeline.stage_clock import StageClock
from backend.pipeline.stage_data import Field, Foreground, NormalViews, Options, Progress, Views, no_views
from backend.pipeline.views import generate_views
from backend.protocol import LRM, MULTIVIEW


@dataclass(frozen=True)
class Reconstruction:
    """What a route makes of the foreground."""

    field: Field
    views: Views
    """None of them on a route without views."""
    normal_views: NormalViews
    guide: NormalGuide | None = None
    """Where the normals are finer than what the reconstructor made without them."""


class Route(Protocol):
    """One way, with the pack whose networks it runs."""

    name: str
    """One of protocol.ROUTES."""
    surface: SurfaceConfig

    def reconstruct(
        self, foreground: Foreground, options: Options, progress: Progress, clock: StageClock
    ) -> Reconstruction:
        """Run the stages up to and with "field", each under the clock."""


def route_for(pack: AnyPack, wanted: str | None) -> Route:
    """The pack's route, which must be the one that is `wanted`, if any.

    Raises:
        OptionError: the pack does not serve that route.
    """
    route: Route = LrmRoute(pack) if isinstance(pack, LrmPack) else MultiviewRoute(pack)
    check_route(wanted, pack.name, route.name)
    return route


class MultiviewRoute:
    """Edify 3D's (arXiv 2411.07135): six views, their normals, and from both a field."""

    name = MULTIVIEW

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self.surface = pack.config.surface

    def reconstruct(
        self, foreground: Foreground, options: Options, progress: Progress, clock: StageClock
    ) -> Reconstruction:
        with clock("views"):
            views = generate_views(foreground, self._pack, options, progress)
        with clock("normals"):
            normal_views = generate_normals(foreground, views, self._pack, options, progress)
        with clock("field"):
            field = reconstruct_field(views, normal_views, self._pack, progress)
        guide = normal_guide(views, normal_views) if self._pack.normals_sharpen else None
        return Reconstruction(field, views, normal_views, guide)


class LrmRoute:
    """The large reconstruction models' (LRM, arXiv 2311.04400): the image straight to a triplane."""

    name = LRM

    def __init__(self, pack: LrmPack) -> None:
        self._pack = pack
        self.surface = pack.surface

    def reconstruct(
        self, foreground: Foreground, options: Options, progress: Progress, clock: StageClock
    ) -> Reconstruction:
        with clock("field"):
            field = reconstruct_field_of_image(foreground, self._pack, progress)
        return Reconstruction(field, *no_views())
