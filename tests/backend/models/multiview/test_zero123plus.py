"""Zero123++ sampling with tiny random networks: order of the grid, seeds, guidance, control, cancelling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, ControlNetModel
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from backend.errors import Cancelled
from backend.models.multiview.reference_attention import ReferenceAttentionUNet
from backend.models.multiview.zero123plus import (
    Control,
    Zero123Plus,
    Zero123PlusConfig,
    scale_image,
    scale_latents,
    split_grid,
    unscale_image,
    unscale_latents,
)
from backend.models.multiview.zero123plus_condition import ConditionConfig

# diffusers' scheduler calls numpy in a way that numpy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

RGBA = np.random.default_rng(0).integers(0, 256, (20, 20, 4), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> Zero123Plus:
    torch.manual_seed(0)
    unet = ReferenceAttentionUNet(
        block_out_channels=(8, 16),
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=12,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(4, 8),
        norm_num_groups=2,
    )
    vision = CLIPVisionConfig(
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=8,
        patch_size=4,
        projection_dim=12,
    )
    config = Zero123PlusConfig(
        height=48,
        width=32,
        steps=2,
        condition=ConditionConfig(latent_size=16, embedding_size=8),
        ramping=(0.0, 0.5, 1.0),
    )
    encoder = CLIPVisionModelWithProjection(vision)
    return Zero123Plus(unet.eval(), vae.eval(), encoder.eval(), torch.randn(1, 3, 12), config)


def generate(model: Zero123Plus, seed: int = 0, **options: object) -> Tensor:
    return model.generate(RGBA, torch.Generator().manual_seed(seed), **options)  # type: ignore[arg-type]


def test_scalings_are_inverse() -> None:
    values = torch.randn(3, 4)
    torch.testing.assert_close(unscale_latents(scale_latents(values)), values)
    torch.testing.assert_close(unscale_image(scale_image(values)), values)


def test_views_run_along_the_rows_of_the_grid() -> None:
    grid = torch.arange(6.0).reshape(1, 3, 2).repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)
    assert [float(view.mean()) for view in split_grid(grid)] == [0, 1, 2, 3, 4, 5]


def test_a_seed_names_a_result(model: Zero123Plus) -> None:
    first = generate(model)
    assert first.shape == (3, 48, 32)
    assert 0 <= first.min() <= first.max() <= 1
    assert torch.equal(first, generate(model))
    assert not torch.equal(first, generate(model, seed=1))


def test_guidance_and_control_change_the_result(model: Zero123Plus) -> None:
    plain = generate(model, guidance=1.0)
    assert not torch.equal(plain, generate(model, guidance=3.0))
    # As many downsamplings as the VAE has.
    controlnet = ControlNetModel.from_unet(model.unet, conditioning_embedding_out_channels=(4, 8))
    torch.nn.init.normal_(controlnet.controlnet_mid_block.weight)
    controlled = generate(model, guidance=1.0, control=Control(controlnet, plain))
    assert not torch.equal(plain, controlled)
    silent = generate(model, guidance=1.0, control=Control(controlnet, plain, scale=0.0))
    torch.testing.assert_close(silent, plain)


def test_a_step_may_cancel(model: Zero123Plus) -> None:
    def cancel(index: int, latents: Tensor) -> None:
        raise Cancelled(f"after step {index}")

    with pytest.raises(Cancelled, match="after step 0"):
        generate(model, on_step=cancel)
