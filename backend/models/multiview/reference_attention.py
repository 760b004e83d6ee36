"""Reference attention: the denoiser's self-attention also looks at the reference image's tokens.

A *write pass* of the same UNet over the reference latent keeps what enters every self-attention (`attn1`,
after `norm1`). The *read pass* over the sample appends those tokens to keys and values; queries stay the
sample's. Source: Reference-only ControlNet as used by Zero123++ (arXiv 2310.15110, section 2.2.1).

The features are an ordinary value that the caller holds: write them once and read them at every denoising
step, or write them anew per step with a noised reference; gradients flow through both passes.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from jaxtyping import Float, Int
from torch import Tensor

ReferenceFeatures = dict[str, Float[Tensor, "reference token channel"]]
"""Self-attention inputs by the name of their `attn1` module, one entry a transformer block."""


@dataclass(frozen=True)
class _WritePass:
    """Collects features while the UNet runs over the reference."""

    features: ReferenceFeatures = field(default_factory=dict)


@dataclass(frozen=True)
class _ReadPass:
    """Hands features out while the UNet runs over the sample."""

    features: ReferenceFeatures


class _ReferenceSelfAttention(AttnProcessor2_0):
    """Scaled dot-product self-attention that writes or reads the reference's tokens, or neither."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def __call__(
        self,
        attn: Attention,
        hidden_states: Float[Tensor, "batch token channel"],
        encoder_hidden_states: Float[Tensor, "batch text_token text"] | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        reference: _WritePass | _ReadPass | None = None,
    ) -> Float[Tensor, "batch token channel"]:
        keys_from = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if isinstance(reference, _WritePass):
            reference.features[self.name] = hidden_states
        elif isinstance(reference, _ReadPass):
            tokens = reference.features[self.name].expand(hidden_states.shape[0], -1, -1)
            keys_from = torch.cat([keys_from, tokens], dim=1)
        return super().__call__(attn, hidden_states, keys_from, attention_mask, temb)


class _TextCrossAttention(AttnProcessor2_0):
    """Scaled dot-product cross-attention; knows of the reference only that it is none of its business."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Float[Tensor, "batch token channel"],
        encoder_hidden_states: Float[Tensor, "batch text_token text"] | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
        reference: _WritePass | _ReadPass | None = None,
    ) -> Float[Tensor, "batch token channel"]:
        return super().__call__(attn, hidden_states, encoder_hidden_states, attention_mask, temb)


class ReferenceAttentionUNet(UNet2DConditionModel):
    """diffusers' conditional UNet, parameter for parameter, with reference attention.

    Being the same model it loads from and saves to the same files and configs, and
    `ControlNetModel.from_unet` accepts it.
    """

    # `from_config` reads this signature, hence the wraps.
    @functools.wraps(UNet2DConditionModel.__init__)  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.set_attn_processor(
            {
                name: _ReferenceSelfAttention(name.removesuffix(".processor"))
                if name.endswith("attn1.processor")
                else _TextCrossAttention()
                for name in self.attn_processors
            }
        )

    def reference_features(
        self,
        latent: Float[Tensor, "reference channel height width"],
        timestep: Int[Tensor, " reference"] | Float[Tensor, " reference"] | Tensor | float,
        text: Float[Tensor, "reference text_token text"],
        class_labels: Tensor | None = None,
    ) -> ReferenceFeatures:
        """The write pass: what every self-attention sees of the reference.

        The latent need not have the sample's size. Its noise must match `timestep`; conditioning on the
        clean reference is a fixed timestep and needs one write pass for all denoising steps.
        """
        writing = _WritePass()
        self._denoise(latent, timestep, text, class_labels, writing)
        return writing.features

    def forward(
        self,
        sample: Float[Tensor, "batch channel height width"],
        timestep: Int[Tensor, " batch"] | Float[Tensor, " batch"] | Tensor | float,
        text: Float[Tensor, "batch text_token text"],
        reference: ReferenceFeatures | None,
        down_residuals: Sequence[Float[Tensor, "batch _ _ _"]] | None = None,
        mid_residual: Float[Tensor, "batch _ _ _"] | None = None,
        class_labels: Tensor | None = None,
    ) -> Float[Tensor, "batch channel height width"]:
        """The read pass: the model's prediction for `sample`, in the scheduler's parametrisation.

        `reference` holds as many images as the batch, or one for the whole batch; with classifier-free
        guidance that is [negative, positive] for the batch [negative, positive]. None is the plain UNet.
        The residuals are a ControlNet's, already scaled.
        """
        reading = None if reference is None else _ReadPass(reference)
        return self._denoise(sample, timestep, text, class_labels, reading, down_residuals, mid_residual)

    def _denoise(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        text: Tensor,
        class_labels: Tensor | None,
        reference: _WritePass | _ReadPass | None,
        down_residuals: Sequence[Tensor] | None = None,
        mid_residual: Tensor | None = None,
    ) -> Tensor:
        (prediction,) = super().forward(
            sample,
            timestep,
            encoder_hidden_states=text,
            class_labels=class_labels,
            cross_attention_kwargs={"reference": reference},
            down_block_additional_residuals=None if down_residuals is None else tuple(down_residuals),
            mid_block_additional_residual=mid_residual,
            return_dict=False,
        )
        return prediction
