"""`python -m backend.evaluation.cpu_ablation IMAGE`: what nano gains by each measure for speed.

Views and normals are generated as shipped and with one measure undone at a time, in turns, so that whatever
else the machine does falls on all alike. The figure that counts is the ratio of the fastest rounds.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from backend.device import (
    autocast,
    autocast_dtype,
    channels_last,
    describe,
    pick_device,
    use_available_cores,
)
from backend.errors import BozzettoError
from backend.evaluation.system import Silent
from backend.models.multiview.draft import Draft, Draftsman
from backend.models.multiview.nano_denoiser import Conditioning, NanoDenoiser, NanoNormalControl
from backend.models.multiview.nano_sampler import NanoNormalModel, NanoViewModel
from backend.models.presets import NanoPreset, SamplingConfig
from backend.packs.loading import load_pack
from backend.pipeline.foreground import extract_foreground
from backend.pipeline.image_input import read_image
from backend.pipeline.views import reference_tensor

ModuleT = TypeVar("ModuleT", bound=nn.Module)


@dataclass(frozen=True)
class Variation:
    """One way to run nano's two view models."""

    name: str
    denoiser: NanoDenoiser
    control: NanoNormalControl
    make_draftsman: Callable[[], Draftsman]
    reduced_precision: bool = True

    def run(self, reference: Tensor, sampling: SamplingConfig) -> float:
        """Seconds for the six views and their normals of an image that was never seen before."""

        def ignore(done: int, total: int, images: Tensor) -> None:
            """Nobody watches."""

        draftsman = self.make_draftsman()  # a fresh one: drafts are remembered
        views = NanoViewModel(self.denoiser, draftsman, sampling.view_steps, sampling.guidance)
        normals = NanoNormalModel(self.denoiser, self.control, draftsman, sampling.normal_steps)
        start = time.perf_counter()
        with autocast(reference.device) if self.reduced_precision else nullcontext():
            rgba = views.generate(
                reference,
                steps=views.default_steps,
                guidance=views.default_guidance,
                seed=0,
                on_step=ignore,
            ).rgba
            normals.generate(reference, rgba, steps=normals.default_steps, seed=0, on_step=ignore)
        return time.perf_counter() - start


class _ForgetfulDenoiser(NanoDenoiser):
    """Does the write pass over the reference again before each step."""

    def __init__(self, denoiser: NanoDenoiser) -> None:
        super().__init__(denoiser.config)
        self.load_state_dict(denoiser.state_dict())
        channels_last(self).eval()
        self._again: Callable[[], Conditioning] | None = None
        self._steps_taken = 0

    def condition(self, *args: Any, **kwargs: Any) -> Conditioning:
        self._again = partial(super().condition, *args, **kwargs)
        self._steps_taken = 0
        return self._again()

    def forward(self, noisy: Tensor, timestep: Tensor, condition: Conditioning, *rest: Any) -> Tensor:
        assert self._again is not None
        if self._steps_taken:
            condition = self._again()
        self._steps_taken += 1
        return super().forward(noisy, timestep, condition, *rest)


class _ForgetfulDraftsman(Draftsman):
    """Makes the same draft again for whoever asks."""

    def __call__(self, reference: Tensor) -> Draft:
        self._last = None
        return super().__call__(reference)


def variations(views: NanoViewModel, normals: NanoNormalModel) -> list[Variation]:
    """As shipped first, then each measure undone."""
    net, cameras = views.draftsman.net, views.cameras
    shipped = Variation("as shipped", views.denoiser, normals.control, partial(Draftsman, net, cameras))
    return [
        shipped,
        replace(shipped, name="float32 instead of bfloat16", reduced_precision=False),
        replace(
            shipped,
            name="channels first",
            denoiser=_channels_first(views.denoiser),
            control=_channels_first(normals.control),
        ),
        replace(
            shipped,
            name="reference features anew at each step",
            denoiser=_ForgetfulDenoiser(views.denoiser),
        ),
        replace(
            shipped,
            name="the draft made twice",
            make_draftsman=partial(_ForgetfulDraftsman, net, cameras),
        ),
    ]


def _channels_first(module: ModuleT) -> ModuleT:
    copied = copy.deepcopy(module)
    for parameter in copied.parameters():
        parameter.data = parameter.data.contiguous()
    return copied


def main(argv: Sequence[str]) -> int:
    """Print seconds and ratios. 0 success, 2 nothing could be done."""
    parser = argparse.ArgumentParser(
        prog="python -m backend.evaluation.cpu_ablation", description=__doc__.splitlines()[0]
    )
    parser.add_argument("image", type=Path, help="any picture that Bozzetto can cut out")
    parser.add_argument("--rounds", type=int, default=5, help="each variation runs this often (default: 5)")
    arguments = parser.parse_args(argv)
    try:
        use_available_cores()
        device = pick_device()
        pack = load_pack("nano", device)
        image = arguments.image.read_bytes()
        foreground = extract_foreground(read_image(image), progress=Silent())
    except (BozzettoError, OSError) as error:
        print(f"bozzetto: {error}", file=sys.stderr)
        return 2
    assert isinstance(pack.multiview, NanoViewModel)
    assert isinstance(pack.normals, NanoNormalModel)
    assert isinstance(pack.config, NanoPreset)
    reference = reference_tensor(foreground, pack.multiview.reference_size).to(device)
    runs = variations(pack.multiview, pack.normals)
    for variation in runs:
        variation.run(reference, pack.config.sampling)  # the first run of each pays for memory and kernels
    seconds = [[v.run(reference, pack.config.sampling) for v in runs] for _ in range(arguments.rounds)]
    fastest = [min(column) for column in zip(*seconds, strict=True)]
    print(
        f"Views and normals on {describe(device)}, {autocast_dtype(device)}; fastest of {arguments.rounds}."
    )
    print("| variation | seconds | ratio |\n| --- | ---: | ---: |")
    for variation, best in zip(runs, fastest, strict=True):
        print(f"| {variation.name} | {best:.2f} | {best / fastest[0]:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
