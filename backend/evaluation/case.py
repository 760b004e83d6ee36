"""One object on the bench: what is rendered of it, each at most once and only when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from backend.evaluation.references import (
    REFERENCE_SIZE,
    EvaluationObject,
    load_object,
    render_reference,
    true_views,
)
from backend.pipeline.stage_data import NormalViews, Views
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
