"""`python -m backend.evaluation.full_size`: the public models at full size, beside the originals' figures.

With seeded random weights: neither the time nor the memory depends on the weights' values.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import torch
from torch import Tensor

from backend.device import (
    Placement,
    describe,
    forget_peak_gpu_memory,
    network_dtype,
    pick_device,
    use_available_cores,
)
from backend.errors import BozzettoError
from backend.evaluation.full_size import instantmesh, triposr, zero123plus
from backend.evaluation.full_size.meter import Original, StageCost, StageMeter, comparison
from backend.evaluation.full_size.texturing import ReconstructionBench
from backend.models.multiview.zero123plus import Zero123Plus
from backend.models.reconstructor.instantmesh import InstantMeshConfig
from backend.models.reconstructor.triposr import TripoSRConfig
from backend.models.reconstructor.triposr_field import GRID as TRIPOSR_GRID

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def main(argv: Sequence[str]) -> int:
    """Run one bench and print its table. 0 success, 2 nothing could be done."""
    arguments = _parser().parse_args(argv)
    try:
        use_available_cores()
        device = pick_device()
        # As the packs run them: reconstructors in float32, diffusion in what the device computes fastest.
        usual = network_dtype(device) if arguments.model == "zero123plus" else torch.float32
        precision = PRECISIONS.get(arguments.precision, usual)
        print(f"{arguments.model} on {describe(device)}, networks in {precision}")
        if arguments.model == "instantmesh":
            bench_instantmesh(device, precision, InstantMeshConfig())
        elif arguments.model == "triposr":
            bench_triposr(device, precision, TripoSRConfig(), face_limit=arguments.faces)
        else:
            bench_zero123plus(
                device,
                precision,
                arguments.steps,
                zero123plus.FULL_SIZE,
                recorded=device.type == "cpu",
                compiler="inductor" if arguments.compile else None,
            )
    except BozzettoError as error:
        print(f"bozzetto: {error}", file=sys.stderr)
        return 2
    return 0


def bench_instantmesh(
    device: torch.device,
    precision: torch.dtype,
    config: InstantMeshConfig,
    texture_size: int = instantmesh.TEXTURE_SIZE,
) -> None:
    """InstantMesh; in reduced precision also the planes' error against float32."""
    meter = StageMeter(device)
    made = instantmesh.run_instantmesh(config, meter, device, precision, texture_size)
    _report(made, meter, instantmesh.ORIGINAL)
    if precision != torch.float32:
        _report_error(made, instantmesh.random_planes(config, device, torch.float32), precision)


def bench_triposr(
    device: torch.device,
    precision: torch.dtype,
    config: TripoSRConfig,
    texture_size: int = triposr.TEXTURE_SIZE,
    grid: int = TRIPOSR_GRID,
    face_limit: int | None = None,
) -> None:
    """TripoSR; in reduced precision also the planes' error against float32."""
    meter = StageMeter(device)
    made = triposr.run_triposr(config, meter, device, precision, texture_size, grid, face_limit)
    _report(made, meter, triposr.ORIGINAL)
    if precision != torch.float32:
        _report_error(made, triposr.random_planes(config, device, torch.float32), precision)


def _report(made: ReconstructionBench, meter: StageMeter, original: Original) -> None:
    print(f"{made.faces} faces, GLB of {len(made.glb) / 1e6:.1f} MB\n")
    print(comparison(meter.costs, original))


def _report_error(made: ReconstructionBench, exact: Tensor, precision: torch.dtype) -> None:
    print(f"Planes in {precision}: relative error {relative_error(made.planes, exact):.1e}.")


def bench_zero123plus(
    device: torch.device,
    precision: torch.dtype,
    steps: int,
    size: zero123plus.Zero123PlusSize,
    *,
    recorded: bool,
    compiler: str | None = None,
) -> None:
    """Zero123++ beside the original's recorded figures, or beside its way of computing, measured in this run.

    The latter is what a GPU needs, and gives the error against float32 too: the passes are the same, in
    float16, with the default memory layout and nothing compiled.
    """
    model = zero123plus.random_sampler(size, Placement(device, precision, resident=True), channels_last=True)
    if compiler is not None:
        model.unet.compile_repeated_blocks(backend=compiler)
    costs, grid = _sample(model, device, steps)
    del model
    if recorded:
        print(comparison(costs, zero123plus.original(steps)))
        return
    placement = Placement(device, torch.float16, resident=True)
    theirs, _ = _sample(zero123plus.random_sampler(size, placement, channels_last=False), device, steps)
    seconds = {cost.name: cost.seconds for cost in theirs}
    print("The original's way is measured in this run.\n")
    print(comparison(costs, Original(seconds, {}, max(cost.peak_gib for cost in theirs))))
    exact = Placement(device, torch.float32, resident=True)
    _, reference = _sample(zero123plus.random_sampler(size, exact, channels_last=False), device, steps)
    print(f"The views in {precision}: relative error {relative_error(grid, reference):.1e} against float32.")


def _sample(model: Zero123Plus, device: torch.device, steps: int) -> tuple[list[StageCost], Tensor]:
    if device.type != "cpu":
        # Once before the clock starts: a GPU chooses its kernels when it first meets a shape.
        zero123plus.run_zero123plus(model, StageMeter(device), 1)
    forget_peak_gpu_memory(device)
    meter = StageMeter(device)
    grid = zero123plus.run_zero123plus(model, meter, steps)
    return meter.costs, grid


def relative_error(found: Tensor, exact: Tensor) -> float:
    """Root mean square of the difference, relative to that of the exact values."""
    found, exact = found.double(), exact.double()
    return float((found - exact).norm() / exact.norm())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m backend.evaluation.full_size",
        description="Time and memory of the public models at full size, with random weights.",
    )
    parser.add_argument("model", choices=("instantmesh", "triposr", "zero123plus"))
    parser.add_argument(
        "--precision", choices=sorted(PRECISIONS), help="of the large networks (default: the device's)"
    )
    parser.add_argument("--steps", type=int, default=28, help="denoising steps of zero123plus")
    parser.add_argument(
        "--faces", type=int, help="of triposr: decimate to so many before unwrapping, as the pipeline does"
    )
    parser.add_argument(
        "--compile", action="store_true", help="zero123plus: compile the transformer blocks (minutes, once)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
