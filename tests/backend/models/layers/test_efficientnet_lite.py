from __future__ import annotations

import pytest
import torch

from backend.models.layers.efficientnet_lite import (
    STAGES,
    WIDTHS,
    EfficientNetLite,
    InvertedResidual,
    SameConv,
)


@pytest.fixture(scope="module")
def trunk() -> EfficientNetLite:
    torch.manual_seed(0)
    return EfficientNetLite().requires_grad_(False)


def counting(kernel: int, stride: int, channels: int = 1) -> SameConv:
    """Counts the pixels of the image, not of the padding, that each output sees."""
    conv = SameConv(channels, channels, kernel, stride, groups=channels).requires_grad_(False)
    conv.weight.fill_(1)
    assert conv.bias is not None
    conv.bias.zero_()
    return conv


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 96)])
def test_features_halve_five_times(trunk: EfficientNetLite, height: int, width: int) -> None:
    features = trunk(torch.rand(2, 3, height, width))
    assert [tuple(f.shape) for f in features] == [
        (2, channels, height >> level, width >> level) for level, channels in enumerate(WIDTHS, start=1)
    ]


def test_it_has_the_parameters_of_the_published_trunk(trunk: EfficientNetLite) -> None:
    """4,652,008 in EfficientNet-Lite0, of which the head's 1 x 1 convolution has 320 * 1280, its batch
    normalisation 2 * 1280 and the classifier 1281 * 1000. A batch normalisation has two parameters a channel
    where we have one bias."""
    folded_away = sum(p.numel() for name, p in trunk.named_parameters() if name.endswith("bias"))
    parameters = sum(p.numel() for p in trunk.parameters())
    assert parameters + folded_away == 4_652_008 - 320 * 1280 - 2 * 1280 - 1281 * 1000


def test_blocks_follow_the_stages(trunk: EfficientNetLite) -> None:
    assert len(trunk.blocks) == sum(repeats for *_, repeats in STAGES) == 16
    blocks = [block for block in trunk.blocks if isinstance(block, InvertedResidual)]
    assert sum(block.residual for block in blocks) == 16 - len(STAGES), "each stage's first has none"
    assert [block.expand is None for block in blocks] == [True] + [False] * 15


def test_at_stride_2_a_kernel_of_3_is_padded_right_and_below_only() -> None:
    """TensorFlow's "SAME": 4 pixels and a kernel of 3 want one pixel more, which comes after."""
    seen = counting(3, 2)(torch.ones(1, 1, 4, 4))
    # Windows over rows and columns 0 to 2, and over 2 and 3 with one of the padding.
    assert seen[0, 0].tolist() == [[9, 6], [6, 4]]


def test_at_stride_2_a_kernel_of_5_is_padded_by_one_before_and_two_after() -> None:
    seen = counting(5, 2)(torch.ones(1, 1, 4, 4))
    # From -1 to 3 are four pixels, from 1 to 5 are three.
    assert seen[0, 0].tolist() == [[16, 12], [12, 9]]


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_at_stride_1_padding_is_even(kernel: int) -> None:
    seen = counting(kernel, 1)(torch.ones(1, 1, 6, 6))[0, 0]
    assert seen.shape == (6, 6)
    assert torch.equal(seen, seen.flip(0, 1))
    assert seen[2, 2] == kernel**2


def test_residual_blocks_add_to_what_they_got() -> None:
    block = InvertedResidual(8, 8, 3, stride=1, expansion=6).requires_grad_(False)
    image = torch.randn(1, 8, 4, 4)
    block.project.weight.zero_()
    assert block.project.bias is not None
    block.project.bias.fill_(0.5)
    torch.testing.assert_close(block(image), image + 0.5)
    assert not InvertedResidual(8, 8, 3, stride=2, expansion=6).residual
    assert not InvertedResidual(8, 16, 3, stride=1, expansion=6).residual


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("stride", [1, 2])
def test_depthwise_convolutions_keep_their_images_precision(dtype: torch.dtype, stride: int) -> None:
    """On a CPU they are computed in float32, whatever comes in."""
    torch.manual_seed(0)
    conv = SameConv(8, 8, 3, stride, groups=8).requires_grad_(False)
    image = torch.randn(1, 8, 6, 6).to(dtype)
    exact = conv(image.float())
    with torch.autocast("cpu", torch.bfloat16):
        mixed = conv(image)
        assert torch.is_autocast_enabled("cpu"), "and leave the others' precision alone"
    assert mixed.dtype == dtype
    assert torch.equal(mixed, exact.to(dtype))


def test_the_trunk_in_mixed_precision_is_about_the_trunk(trunk: EfficientNetLite) -> None:
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    with torch.autocast("cpu", torch.bfloat16):
        mixed = trunk(image)
    for exact, feature in zip(trunk(image), mixed, strict=True):
        assert feature.dtype == torch.bfloat16
        assert (feature - exact).abs().max() < 0.05 * exact.abs().max()


def test_mixed_precision_trains_float32_weights() -> None:
    trunk = EfficientNetLite()
    with torch.autocast("cpu", torch.bfloat16):
        loss = sum(feature.float().square().mean() for feature in trunk(torch.rand(1, 3, 32, 32)))
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    for name, parameter in trunk.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.dtype == torch.float32
        assert torch.isfinite(parameter.grad).all()
