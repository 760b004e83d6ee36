from __future__ import annotations

import pytest
import torch
from torch import nn

from backend import device
from backend.errors import OptionError, OutOfMemoryError

CPU = torch.device("cpu")


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


def test_the_device_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(device.DEVICE_VARIABLE, "cpu")
    assert device.pick_device() == CPU
    monkeypatch.setenv(device.DEVICE_VARIABLE, "abacus")
    with pytest.raises(OptionError, match="abacus"):
        device.pick_device()


def test_graphics_memory_trouble_says_which_setting_to_lower() -> None:
    with pytest.raises(OutOfMemoryError, match=device.GPU_MEMORY_VARIABLE), device.naming_out_of_memory():
        raise torch.OutOfMemoryError


class Traveller(nn.Linear):
    """Keeps where it was sent."""

    def __init__(self) -> None:
        super().__init__(2, 2)
        self.sent: list[object] = []

    def to(self, *args: object, **kwargs: object) -> Traveller:
        self.sent.append(args[0])
        return self


def test_networks_take_turns_on_a_small_device() -> None:
    placement = device.Placement(CPU, torch.float16, resident=False)
    network = Traveller()
    with placement.hosting(network):
        assert network.sent == [CPU]
    assert network.sent == [CPU, "cpu"]


def test_a_network_goes_back_when_its_turn_fails() -> None:
    placement = device.Placement(CPU, torch.float16, resident=False)
    network = Traveller()

    def turn() -> None:
        with placement.hosting(network):
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        turn()
    assert network.sent == [CPU, "cpu"]


def test_networks_stay_where_there_is_room() -> None:
    placement = device.place(CPU, 10**12, 10**12)
    assert placement.resident
    network = Traveller()
    with placement.hosting(network):
        pass
    assert network.sent == []


@pytest.mark.parametrize(("gib", "resident"), [("40", True), ("7", False), ("0", False)])
def test_room_is_what_the_user_grants(monkeypatch: pytest.MonkeyPatch, gib: str, resident: bool) -> None:
    monkeypatch.setenv(device.GPU_MEMORY_VARIABLE, gib)
    # 1.9 thousand million parameters in half precision and 0.4 in float32: the public pack.
    assert device.place(torch.device("cuda"), 1_946_000_000, 379_000_000).resident is resident
    monkeypatch.setenv(device.GPU_MEMORY_VARIABLE, "much")
    with pytest.raises(OptionError, match="much"):
        device.place(torch.device("cuda"), 1, 1)


def test_networks_compute_in_their_own_precision_whatever_surrounds_them() -> None:
    network = nn.Linear(2, 2)
    placement = device.Placement(CPU, torch.float32, resident=True)
    with torch.autocast("cpu", torch.bfloat16), placement.hosting(network):
        assert network(torch.ones(1, 2)).dtype == torch.float32


def test_settling_casts_and_freezes() -> None:
    network = nn.Conv2d(2, 2, 3)
    device.Placement(CPU, torch.bfloat16, resident=True).settle(network, torch.bfloat16)
    assert network.weight.dtype == torch.bfloat16
    assert not network.weight.requires_grad
    assert network.weight.is_contiguous(memory_format=torch.channels_last)
