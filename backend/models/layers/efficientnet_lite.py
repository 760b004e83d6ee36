"""EfficientNet-Lite0's convolutional trunk (Tan & Le 2019, arXiv 1905.11946, without squeeze-and-excitation).

Batch normalisation is folded into the convolutions: the trunk is only ever fine-tuned, in batches too small
for fresh statistics, and a folded trunk is one operation where the original has two.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

STAGES: tuple[tuple[int, int, int, int, int], ...] = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
"""Kernel, stride of the first block, expansion, channels, blocks (the paper's table 1, Lite scaling)."""
STEM_CHANNELS = 32
WIDTHS = (16, 24, 40, 112, 320)
"""Channels of the features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the image."""


class SameConv(nn.Conv2d):
    """TensorFlow's "SAME" padding: at stride 2 an even image is padded more on the right and below."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(
            inputs, outputs, kernel, stride, padding=kernel // 2 if stride == 1 else 0, groups=groups
        )

    def forward(self, image: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch d h2 w2"]:
        if self.stride[0] > 1:
            total = self.kernel_size[0] - self.stride[0]
            before, after = total // 2, total - total // 2
            image = functional.pad(image, (before, after, before, after))
        if self.groups > 1 and image.device.type == "cpu":
            # Depthwise convolutions have no fast bfloat16 kernel on CPUs: half the speed of float32.
            with torch.autocast("cpu", enabled=False):
                return super().forward(image.float()).to(image.dtype)
        return super().forward(image)


class InvertedResidual(nn.Module):
    """Expand, filter by channel, project (Sandler et al. 2018, arXiv 1801.04381, figure 4)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        width = inputs * expansion
        self.expand = SameConv(inputs, width, 1) if expansion > 1 else None
        self.depthwise = SameConv(width, width, kernel, stride, groups=width)
        self.project = SameConv(width, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, image: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch d h2 w2"]:
        inner = image if self.expand is None else functional.relu6(self.expand(image))
        output = self.project(functional.relu6(self.depthwise(inner)))
        return image + output if self.residual else output


class EfficientNetLite(nn.Module):
    """The image to features at five scales (`WIDTHS`). Sides must be multiples of 32."""

    def __init__(self, inputs: int = 3) -> None:
        super().__init__()
        self.stem = SameConv(inputs, STEM_CHANNELS, 3, stride=2)
        blocks, width = [], STEM_CHANNELS
        for kernel, stride, expansion, channels, repeats in STAGES:
            for repeat in range(repeats):
                blocks.append(
                    InvertedResidual(width, channels, kernel, stride if repeat == 0 else 1, expansion)
                )
                width = channels
        self.blocks = nn.ModuleList(blocks)

    def forward(self, image: Float[Tensor, "batch c h w"]) -> list[Float[Tensor, "batch d h2 w2"]]:
        features = [functional.relu6(self.stem(image))]
        for block in self.blocks:
            output = block(features[-1])
            if output.shape[-1] == features[-1].shape[-1]:
                features[-1] = output
            else:
                features.append(output)
        return features
