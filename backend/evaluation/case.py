"""One object on the bench: what is rendered of it, each at most once and only when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8

from backend.evaluation.references import (
    REFERENCE_SIZE,
    EvaluationObject,
    load_object,
    novel_cameras,
    render_reference,
    true_views,
)
from backend.pipeline.stage_data import NormalViews, Views
from backend.training.assets import Model, SurfaceSamples
from backend.training.rendering import Renderer

HULL_SIZE = 256
NOVEL_SIZE = 320
SHEET_CELL = 96


@dataclass(frozen=True)
class Studio:
    """One renderer for each size that the evaluation draws."""

    reference: Renderer
    views: Renderer
    hull: Renderer
    novel: Renderer
    sheet: Renderer
    view_distance: float
    """Of the six views' cameras."""


@contextmanager
def open_studio(view_size: int, view_distance: float) -> Iterator[Studio]:
    """The renderers, given back afterwards. The six views are supersampled as in training."""
    with ExitStack() as stack:

        def renderer(size: int, supersampling: int) -> Renderer:
            return stack.enter_context(Renderer(size, supersampling))

        yield Studio(
            reference=renderer(REFERENCE_SIZE, 2),
            views=renderer(view_size, 2),
            hull=renderer(HULL_SIZE, 1),
            novel=renderer(NOVEL_SIZE, 1),
            sheet=renderer(SHEET_CELL, 2),
            view_distance=view_distance,
        )


class Case:
    """A GLB under evaluation."""

    def __init__(self, path: Path, studio: Studio, points: int) -> None:
        self.path = path
        self.points = points
        self.studio = studio

    @cached_property
    def item(self) -> EvaluationObject:
        return load_object(self.path, self.points)

    @cached_property
    def image(self) -> UInt8[np.ndarray, "size size 4"]:
        """The reference image."""
        return render_reference(self.item, self.studio.reference)

    @cached_property
    def views(self) -> tuple[Views, NormalViews]:
        """The six true views at the pack's size."""
        return true_views(self.item, self.studio.views, self.studio.view_distance)

    @cached_property
    def fine_views(self) -> tuple[Views, NormalViews]:
        """The six true views at HULL_SIZE."""
        return true_views(self.item, self.studio.hull, self.studio.view_distance)

    @cached_property
    def novel_views(self) -> Float32[np.ndarray, "view size size 4"]:
        """The true object where the finished asset is looked at anew."""
        return render_novel(self.item.model.in_unit_box(), self.studio.novel)

    @cached_property
    def materials(self) -> SurfaceSamples:
        """The true materials on the surface, in the unit box."""
        return self.item.model.in_unit_box().sample_surface(20_000, np.random.default_rng(0))


def render_novel(model: Model, renderer: Renderer) -> Float32[np.ndarray, "view size size 4"]:
    """A model in the unit box from `novel_cameras`, in even light; sRGB, straight alpha."""
    rendered = renderer.render(model, novel_cameras())
    return np.concatenate([rendered.rgb, rendered.alpha[..., None]], axis=-1)
