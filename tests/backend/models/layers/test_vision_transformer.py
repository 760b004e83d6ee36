"""Positions, registers and modulation of the image encoder."""

from __future__ import annotations

from dataclasses import replace

import torch

from backend.models.layers.vision_transformer import VisionTransformer, VisionTransformerConfig

TINY = VisionTransformerConfig(width=8, layers=2, heads=2, hidden=16, patch=4, position_grid=3)


def encoder(config: VisionTransformerConfig) -> VisionTransformer:
    torch.manual_seed(0)
    model = VisionTransformer(config).eval()
    torch.nn.init.normal_(model.position_embedding)
    return model


def test_learnt_positions_are_used_as_they_are_at_the_learnt_size() -> None:
    model = encoder(TINY)
    with torch.no_grad():
        model.patch_embedding.weight.zero_()
        model.patch_embedding.bias.zero_()
    torch.testing.assert_close(model.embed(torch.rand(1, 3, 12, 12)), model.position_embedding)


def test_other_sizes_resample_the_positions() -> None:
    model = encoder(TINY)
    assert model(torch.rand(2, 3, 20, 16)).shape == (2, 1 + 5 * 4, 8)


def test_registers_are_attended_to_and_not_returned() -> None:
    model = encoder(replace(TINY, registers=2))
    images = torch.rand(1, 3, 12, 12)
    before = model(images)
    assert before.shape == (1, 10, 8)
    assert model.registers is not None
    with torch.no_grad():
        model.registers.copy_(torch.randn(1, 2, 8))
    assert not torch.allclose(model(images), before)


def test_modulation_changes_every_image_by_its_own_vector() -> None:
    model = encoder(replace(TINY, modulation_width=5))
    images, vectors = torch.rand(1, 3, 12, 12).expand(2, -1, -1, -1), torch.randn(2, 5)
    tokens = model(images, vectors)
    assert not torch.allclose(tokens[0], tokens[1])
    torch.testing.assert_close(tokens[1:], model(images[1:], vectors[1:]))
