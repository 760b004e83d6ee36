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
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from backend.device import autocast, autocast_dtype, describe, pick_device, use_available_cores
from backend.errors import BozzettoError
from backend.evaluation.system import Silent
from backend.models.multiview.draft import Draftsman
from backend.models.multiview.nano_denoiser import Conditioning, NanoDenoiser
from backend.models.multiview.nano_sampler import NanoNormalModel, NanoViewModel
from backend.packs.loading import load_pack
from backend.pipeline.foreground import extract_foreground
from backend.pipeline.image_input import read_image
from backend.pipeline.views import reference_tensor


@dataclass(frozen=True)
class Variation:
    """One way to run nano's two view models."""

    name: str
    views: NanoViewModel
    normals: NanoNormalModel
    reduced_precision: bool = True

    def run(self, reference: Tensor, device: torch.device) -> float:
        """Seconds for the six views and their normals."""

        def ignore(done: int, total: int, images: Tensor) -> None:
            """Nobody watches."""

        start = time.perf_counter()
        with autocast(device) if self.reduced_precision else nullcontext():
            rgba = self.views.generate(
                reference,
                steps=self.views.default_steps,
                guidance=self.views.default_guidance,
                seed=0,
                on_step=ignore,
            ).rgba
            self.normals.generate(reference, rgba, steps=self.normals.default_steps, seed=0, on_step=ignore)
        return time.perf_counter() - start


class _ForgetfulDenoiser(nn.Module):
    """Does the write pass over the reference again before each step."""

    def __init__(self, denoiser: NanoDenoiser) -> None:
        super().__init__()
        self.denoiser = denoiser
        self.config = denoiser.config
        self.cameras = denoiser.cameras
        self.input_grid = denoiser.input_grid
        self._again: Callable[[], Conditioning] | None = None

    def condition(self, *arguments: Tensor | None) -> Conditioning:
        self._again = lambda: self.denoiser.condition(*arguments)  # type: ignore[arg-type]
        return self._again()

    def forward(self, noisy: Tensor, timestep: Tensor, condition: Conditioning, *rest: object) -> Tensor:
        assert self._again is not None
        result: Tensor = self.denoiser(noisy, timestep, self._again(), *rest)
        return result


class _ForgetfulDraftsman(Draftsman):
    """Makes the same draft again for whoever asks."""

    def __call__(self, reference: Tensor) -> object:  # type: ignore[override]
        self._last = None
        return super().__call__(reference)


def variations(views: NanoViewModel, normals: NanoNormalModel) -> list[Variation]:
    """As shipped first, then each measure undone."""

    def rebuilt(
        name: str,
        denoiser: nn.Module,
        control: nn.Module = normals.control,
        draftsman: Draftsman = views.draftsman,
    ) -> Variation:
        return Variation(
            name,
            NanoViewModel(denoiser, draftsman, views.default_steps, views.default_guidance),  # type: ignore[arg-type]
            NanoNormalModel(denoiser, control, draftsman, normals.default_steps),  # type: ignore[arg-type]
        )

    def contiguous(module: nn.Module) -> nn.Module:
        copied = copy.deepcopy(module)
        for parameter in copied.parameters():
            parameter.data = parameter.data.contiguous()
        return copied

    return [
        Variation("as shipped", views, normals),
        Variation("float32 instead of bfloat16", views, normals, reduced_precision=False),
        rebuilt("channels first", contiguous(views.denoiser), contiguous(normals.control)),
        rebuilt("reference features anew at each step", _ForgetfulDenoiser(views.denoiser)),
        rebuilt(
            "the draft made twice",
            views.denoiser,
            draftsman=_ForgetfulDraftsman(views.draftsman.net, views.cameras),
        ),
    ]


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
    reference = reference_tensor(foreground, pack.multiview.reference_size).to(device)
    runs = variations(pack.multiview, pack.normals)
    for variation in runs:
        variation.run(reference, device)  # the first run of each pays for memory and kernels
    seconds = [[v.run(reference, device) for v in runs] for _ in range(arguments.rounds)]
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
