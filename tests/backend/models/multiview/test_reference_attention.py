"""Reference attention on a two-block UNet with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel

from backend.models.multiview.reference_attention import ReferenceAttentionUNet

CONFIG: dict[str, Any] = {
    "sample_size": 8,
    "block_out_channels": (8, 16),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "cross_attention_dim": 12,
    "attention_head_dim": (2, 4),
    "use_linear_projection": True,
    "norm_num_groups": 4,
    "class_embed_type": "projection",
    "projection_class_embeddings_input_dim": 6,
}


@pytest.fixture
def unet() -> ReferenceAttentionUNet:
    torch.manual_seed(0)
    return ReferenceAttentionUNet(**CONFIG)


@pytest.fixture
def batch() -> dict[str, Any]:
    draw = torch.Generator().manual_seed(1)
    return {
        "sample": torch.randn(2, 4, 12, 8, generator=draw),
        "timestep": torch.tensor(700),
        "text": torch.randn(2, 3, 12, generator=draw),
        "class_labels": torch.randn(2, 6, generator=draw),
    }


def written(unet: ReferenceAttentionUNet, batch: dict[str, Any], count: int = 2) -> dict[str, Any]:
    latent = torch.randn(count, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    return unet.reference_features(latent, 0, batch["text"][:count], batch["class_labels"][:count])


def test_parameters_are_the_plain_unets() -> None:
    plain, ours = UNet2DConditionModel(**CONFIG), ReferenceAttentionUNet(**CONFIG)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in plain.state_dict().items()
    }


def test_without_reference_it_is_the_plain_unet(unet: ReferenceAttentionUNet, batch: dict[str, Any]) -> None:
    plain = UNet2DConditionModel(**CONFIG)
    plain.load_state_dict(unet.state_dict())
    expected = plain(
        batch["sample"],
        batch["timestep"],
        batch["text"],
        class_labels=batch["class_labels"],
        return_dict=False,
    )[0]
    torch.testing.assert_close(unet(**batch, reference=None), expected)


def test_every_self_attention_writes_its_input(unet: ReferenceAttentionUNet, batch: dict[str, Any]) -> None:
    features = written(unet, batch)
    modules = {name for name, _ in unet.named_modules() if name.endswith(".attn1")}
    assert set(features) == modules
    assert features["down_blocks.0.attentions.0.transformer_blocks.0.attn1"].shape == (2, 64, 8)


def test_each_half_of_a_guided_batch_reads_its_own_reference(
    unet: ReferenceAttentionUNet, batch: dict[str, Any]
) -> None:
    features = written(unet, batch)
    both = unet(**batch, reference=features)
    changed = {name: torch.cat([f[:1] + 1, f[1:]]) for name, f in features.items()}
    other = unet(**batch, reference=changed)
    assert (both[0] - other[0]).abs().max() > 1e-4
    torch.testing.assert_close(both[1], other[1])


def test_one_reference_serves_the_whole_batch_and_many_steps(
    unet: ReferenceAttentionUNet, batch: dict[str, Any]
) -> None:
    single = written(unet, batch, count=1)
    repeated = {name: f.expand(2, -1, -1) for name, f in single.items()}
    for timestep in (900, 100):
        step = {**batch, "timestep": torch.tensor(timestep)}
        torch.testing.assert_close(unet(**step, reference=single), unet(**step, reference=repeated))


def test_gradients_flow_through_both_passes(unet: ReferenceAttentionUNet, batch: dict[str, Any]) -> None:
    latent = torch.randn(2, 4, 8, 8, requires_grad=True)
    features = unet.reference_features(latent, 0, batch["text"], batch["class_labels"])
    unet(**batch, reference=features).square().mean().backward()
    assert latent.grad is not None
    assert latent.grad.abs().max() > 0
    assert all(p.grad is not None for p in unet.parameters())


def test_controlnet_residuals_change_the_read_pass(
    unet: ReferenceAttentionUNet, batch: dict[str, Any]
) -> None:
    controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 8))
    torch.nn.init.normal_(controlnet.controlnet_mid_block.weight)
    down, mid = controlnet(
        batch["sample"],
        batch["timestep"],
        batch["text"],
        torch.rand(2, 3, 24, 16),
        class_labels=batch["class_labels"],
        return_dict=False,
    )
    features = written(unet, batch)
    without = unet(**batch, reference=features)
    controlled = unet(**batch, reference=features, down_residuals=down, mid_residual=mid)
    assert (controlled - without).abs().max() > 1e-4


def test_it_saves_and_loads_as_a_diffusers_model(
    unet: ReferenceAttentionUNet, batch: dict[str, Any], tmp_path: Path
) -> None:
    unet.eval().save_pretrained(tmp_path)
    again = ReferenceAttentionUNet.from_pretrained(tmp_path)
    torch.testing.assert_close(again(**batch, reference=None), unet(**batch, reference=None))
