"""The one place that knows compute devices: which to use, in which precision, what their failures mean."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TypeVar

import psutil
import torch
from torch import nn

from backend.errors import OptionError, OutOfMemoryError

DEVICE_VARIABLE = "BOZZETTO_DEVICE"
"""Names the device to compute on, such as "cpu" or "cuda:1"; the fastest one without it."""
GPU_MEMORY_VARIABLE = "BOZZETTO_GPU_MEMORY"
"""GiB of graphics memory that the networks may fill; what is free without it."""
ACTIVATIONS_GIB = 4.0
"""What a pack's largest network needs beside the weights: Zero123++'s VAE on a 640 x 960 grid in half
precision, with room to spare."""


ModuleT = TypeVar("ModuleT", bound=nn.Module)


def pick_device() -> torch.device:
    """What BOZZETTO_DEVICE names, or else the fastest device here: cuda, then mps, then cpu.

    Raises:
        OptionError: BOZZETTO_DEVICE names no device of this machine.
    """
    named = os.environ.get(DEVICE_VARIABLE)
    if named:
        try:
            return torch.empty(0, device=named).device
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise OptionError(
                f"{DEVICE_VARIABLE} is {named!r}, which cannot be used here ({error}). "
                "Give cpu, cuda, cuda:1 and the like, or unset it."
            ) from error
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def describe(device: torch.device) -> str:
    """For reports and for the user: 'cpu (2 threads, bfloat16)' or 'cuda (NVIDIA H100)'."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        precision = "bfloat16" if autocast_dtype(device) else "float32"
        return f"cpu ({torch.get_num_threads()} threads, {precision})"
    return device.type


def use_available_cores() -> int:
    """Let torch use as many threads as this process may run on (OMP_NUM_THREADS wins); returns how many."""
    if "OMP_NUM_THREADS" not in os.environ and hasattr(os, "sched_getaffinity"):
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    return torch.get_num_threads()


def autocast_dtype(device: torch.device) -> torch.dtype | None:
    """Reduced precision that the device computes in hardware; None where float32 is as fast or faster."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu":
        capabilities = torch.cpu.get_capabilities()
        if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"):
            return torch.bfloat16
    return None


def autocast(device: torch.device) -> AbstractContextManager[object]:
    """Networks inside this context run in `autocast_dtype`, or unchanged where there is none."""
    dtype = autocast_dtype(device)
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)


def channels_last(module: ModuleT) -> ModuleT:
    """Weights in the memory order that the CPU's and the GPU's 2D convolutions are fastest in."""
    # diffusers' own `to` takes no memory format alone.
    nn.Module.to(module, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return module


def own_precision(device: torch.device) -> torch.autocast:
    """Networks inside this context run in the precision of their weights, whatever autocast surrounds it."""
    return torch.autocast(device.type, enabled=False)


def network_dtype(device: torch.device) -> torch.dtype:
    """Precision in which a pack of gigabytes keeps its diffusion networks: they are not cast at every call.

    On a GPU the one that the public weights are published to run in; bfloat16 rounds eight times as coarsely.
    """
    return torch.float16 if device.type == "cuda" else autocast_dtype(device) or torch.float32


@dataclass(frozen=True)
class Placement:
    """Where the networks of a large pack compute, and whether they stay there."""

    device: torch.device
    dtype: torch.dtype
    """Of the large networks, unless they are settled in another."""
    resident: bool
    """All stay on the device; otherwise each waits in main memory for its turn."""

    def settle(self, module: nn.Module, dtype: torch.dtype | None = None) -> None:
        """Ready for inference, in `dtype` (the placement's when None), where it waits for its turn.

        Convolutions get the memory layout in which half precision is fast.
        """
        home = self.device if self.resident else torch.device("cpu")
        module.eval().requires_grad_(False)
        # diffusers' own `to` logs a warning at any change of precision.
        nn.Module.to(module, home, dtype or self.dtype)
        channels_last(module)

    @contextmanager
    def hosting(self, *modules: nn.Module) -> Iterator[None]:
        """The modules are on the device inside this context, and compute in their own precision."""
        if not self.resident:
            for module in modules:
                module.to(self.device)
        try:
            with own_precision(self.device):
                yield
        finally:
            if not self.resident:
                for module in modules:
                    module.to("cpu")


def place(device: torch.device, reduced: int, full: int = 0) -> Placement:
    """For a pack of so many parameters in the device's reduced precision and, beside them, in float32.

    All stay on the device where that leaves room to compute, or else they take turns.

    Raises:
        OptionError: BOZZETTO_GPU_MEMORY is no number.
    """
    dtype = network_dtype(device)
    room = _gpu_memory_gib(device)
    needed = (reduced * dtype.itemsize + full * torch.float32.itemsize) / 2**30 + ACTIVATIONS_GIB
    return Placement(device, dtype, resident=room is None or needed <= room)


def _gpu_memory_gib(device: torch.device) -> float | None:
    """Graphics memory to plan with; None where networks compute in main memory anyway."""
    if device.type != "cuda":
        return None
    named = os.environ.get(GPU_MEMORY_VARIABLE)
    if named is None:
        return torch.cuda.mem_get_info(device)[0] / 2**30
    try:
        return float(named)
    except ValueError as error:
        raise OptionError(f"{GPU_MEMORY_VARIABLE} is {named!r}: it must be a number of GiB.") from error


@contextmanager
def naming_out_of_memory() -> Iterator[None]:
    """Turn torch's and Python's out-of-memory failures into OutOfMemoryError with advice."""
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise OutOfMemoryError(_advice(error)) from error
    except RuntimeError as error:
        # torch's CPU allocator raises a plain RuntimeError.
        if "DefaultCPUAllocator" not in str(error):
            raise
        raise OutOfMemoryError(_advice(error)) from error


def peak_memory_mb() -> float:
    """This process's peak resident memory so far, megabytes."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    import resource  # exists on POSIX only

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def peak_gpu_memory_mb(device: torch.device) -> float | None:
    """The most graphics memory that this process has held, megabytes; None for other devices."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None


def forget_peak_gpu_memory(device: torch.device) -> None:
    """`peak_gpu_memory_mb` starts anew."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def synchronise(device: torch.device) -> None:
    """Wait until the device has done what it was asked: without it, clocks measure the asking."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _advice(error: BaseException) -> str:
    if isinstance(error, torch.OutOfMemoryError):
        return (
            "There was not enough graphics memory for this pack's networks. Close other programs on the GPU; "
            f"or set {GPU_MEMORY_VARIABLE} to a lower number of GiB (with 0 the networks wait in main memory "
            f"for their turn), {DEVICE_VARIABLE}=cpu to compute without the GPU, or take a smaller pack."
        )
    return (
        "There was not enough memory for this asset. Lower the texture size or the number of faces, "
        "or close other programs, then try again."
    )
