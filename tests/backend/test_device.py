from __future__ import annotations

import pytest
import torch

from backend import device
from backend.errors import OutOfMemoryError


def test_the_device_is_described() -> None:
    chosen = device.pick_device()
    assert device.describe(chosen).startswith(chosen.type)


def test_autocast_computes_in_the_precision_it_names() -> None:
    cpu = torch.device("cpu")
    with device.autocast(cpu):
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert product.dtype == (device.autocast_dtype(cpu) or torch.float32)


def test_an_allocation_that_fails_is_named_with_advice() -> None:
    with pytest.raises(OutOfMemoryError, match="Lower the texture size"), device.naming_out_of_memory():
        torch.empty(2**60, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("error", "where"),
    [(MemoryError(), "enough memory"), (torch.OutOfMemoryError(), "enough graphics memory")],
)
def test_every_kind_of_memory_trouble_is_named(error: Exception, where: str) -> None:
    with pytest.raises(OutOfMemoryError, match=where), device.naming_out_of_memory():
        raise error


def test_other_errors_pass_unchanged() -> None:
    with pytest.raises(RuntimeError, match="shapes"), device.naming_out_of_memory():
        raise RuntimeError("shapes differ")


def test_peak_memory_never_falls() -> None:
    before = device.peak_memory_mb()
    block = torch.ones(2**22)
    after = device.peak_memory_mb()
    assert 1 < before <= after
    del block
