"""Networks of public packs: hold files against their parameter lists, and load them."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from backend.errors import PackError
from backend.packs.public_networks import Files, Network, networks_of
from backend.packs.strict_loading import load_strictly


def check_networks(kind: str, files: Files) -> None:
    """Hold each weights file's names and shapes against its network, without reading or allocating a weight.

    Raises:
        PackError: names the file and the parameters that do not fit.
    """
    for role, network in networks_of(kind, files).items():
        path = _file_of(role, files)
        load_strictly(_on_meta(network), _shapes(path), network.rules, network.ignored, origin=str(path))


def load_network(network: Network, path: Path) -> nn.Module:
    """One network with the weights of `path`, in the file's precision, on the CPU, ready for inference.

    Raises:
        PackError: the file is unreadable or does not fit exactly.
    """
    module = _on_meta(network)
    load_strictly(module, path, network.rules, network.ignored)
    _fill_buffers(module)
    return module.eval().requires_grad_(False)


def load_networks(kind: str, files: Files) -> dict[str, nn.Module]:
    """All networks of a pack by role (see `load_network`)."""
    return {
        role: load_network(network, _file_of(role, files))
        for role, network in networks_of(kind, files).items()
    }


def _on_meta(network: Network) -> nn.Module:
    with torch.device("meta"):
        return network.build()


def _fill_buffers(module: nn.Module) -> None:
    """Give the buffers that no file stores their values: CLIP's numbering of positions, and no other."""
    for name, buffer in list(module.named_buffers()):
        if not buffer.is_meta:
            continue
        owner, _, attribute = name.rpartition(".")
        if attribute != "position_ids":
            raise PackError(f"{type(module).__name__} wants {name}, which no file stores. Update Bozzetto.")
        module.get_submodule(owner).register_buffer(
            attribute, torch.arange(buffer.shape[-1]).expand(buffer.shape), persistent=False
        )


def _file_of(role: str, files: Files) -> Path:
    if role not in files:
        raise PackError(f"The pack has no file with the role {role!r}: install it again.")
    return files[role]


def _shapes(path: Path) -> dict[str, Tensor]:
    """Tensors on the meta device with the names and shapes that a safetensors file's header gives."""
    try:
        with safe_open(path, framework="pt") as stored:
            names = stored.keys()
            return {name: torch.empty(stored.get_slice(name).get_shape(), device="meta") for name in names}
    except FileNotFoundError as error:
        raise PackError(f"{path} is missing: install the pack again") from error
    except SafetensorError as error:
        raise PackError(f"{path} is no whole safetensors file ({error}): install the pack again") from error
