"""The one place that knows compute devices: which to use, in which precision, what their failures mean."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import psutil
import torch

from backend.errors import OutOfMemoryError


def pick_device() -> torch.device:
    """The fastest device here: cuda, then mps, then cpu."""
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


def _advice(error: BaseException) -> str:
    where = "graphics memory" if isinstance(error, torch.OutOfMemoryError) else "memory"
    return (
        f"There was not enough {where} for this asset. Lower the texture size or the number of faces, "
        "or close other programs, then try again."
    )
