"""Marigold's intrinsic decomposition as a material model.

Source: Marigold (arXiv 2312.02145, 2505.09358), diffusers' MarigoldIntrinsicsPipeline with the weights
prs-eth/marigold-iid-appearance-v1-1. They give albedo, roughness and metallicity of a picture; the last two
are taken. They were trained on rooms: on an object cut out they guess, if better than a constant.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers.pipelines.marigold.pipeline_marigold_intrinsics import MarigoldIntrinsicsPipeline
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from backend.device import Placement
from backend.errors import PackError
from backend.models.interfaces import OnFraction

MATERIAL_TARGET = "material"
ROUGHNESS, METALLICITY = "roughness", "metallicity"


class MarigoldMaterials:
    """Implements models.interfaces.MaterialModel."""

    def __init__(self, pipeline: MarigoldIntrinsicsPipeline, name: str, placement: Placement) -> None:
        """`pipeline` without text encoder and tokenizer, its `empty_text_embedding` set.

        Raises:
            PackError: it does not predict roughness and metallicity, or does not say at which resolution.
        """
        self.name = name
        self._pipeline = pipeline
        self._placement = placement
        self._target, self._channels = _where(pipeline.target_properties or {})
        if pipeline.default_processing_resolution is None:
            raise PackError("The material pack's model_index.json lacks default_processing_resolution.")
        self._side = pipeline.default_processing_resolution
        pipeline.set_progress_bar_config(disable=True)

    @torch.no_grad()
    def estimate(
        self, images: Float[Tensor, "image 4 size size"], *, seed: int, on_fraction: OnFraction
    ) -> Float[Tensor, "image 2 size size"]:
        """One image at a time, over white, at the weights' own processing resolution."""
        found = []
        pipeline = self._pipeline
        with self._placement.hosting(pipeline.unet, pipeline.vae):
            for index, image in enumerate(images):
                on_white = (image[:3] * image[3:] + (1 - image[3:])).float()
                # Resized here and not by the pipeline, which would do it in the networks' reduced precision.
                prediction = pipeline(
                    _resize(on_white, self._side).to(self._placement.device, self._placement.dtype)[None],
                    processing_resolution=0,
                    match_input_resolution=False,
                    generator=torch.Generator().manual_seed(seed + index),
                    output_type="pt",
                ).prediction
                materials = prediction[self._target, self._channels].float().cpu()
                found.append(_resize(materials, images.shape[-1]))
                on_fraction((index + 1) / len(images))
        return torch.stack(found)


def _resize(image: Float[Tensor, "channel _ _"], side: int) -> Float[Tensor, "channel side side"]:
    resized = functional.interpolate(image[None], (side, side), mode="bilinear", antialias=True)[0]
    return resized.clamp(0, 1)


def _where(properties: dict[str, Any]) -> tuple[int, list[int]]:
    """Index of the target that holds the materials, and the channels of roughness and metallicity in it."""
    try:
        channels = properties[MATERIAL_TARGET]["sub_target_names"]
        return (
            properties["target_names"].index(MATERIAL_TARGET),
            [channels.index(ROUGHNESS), channels.index(METALLICITY)],
        )
    except (KeyError, ValueError, TypeError) as error:
        raise PackError(
            "The material pack predicts no roughness and metallicity: its model_index.json lacks "
            f"{error}. Wanted are the weights marigold-iid-appearance, not marigold-iid-lighting."
        ) from error
