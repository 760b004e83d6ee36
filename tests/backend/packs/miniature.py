"""A public pack in miniature, a hub that serves it, and a folder to install it in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from huggingface_hub import constants, file_download
from huggingface_hub.utils import _detect_agent, _http
from safetensors.torch import save
from torch import nn

from backend.packs import public_networks
from backend.packs.catalogue import HubFile, Licence, PublicPack, Requirements
from backend.packs.public_networks import Network
from tests.backend.packs.hub_server import Hub, running_hub

VIEWS, MESH = "owner/views", "owner/mesh"
CONFIG, WEIGHTS, CHECKPOINT = f"{VIEWS}/config.json", f"{VIEWS}/unet/weights.safetensors", f"{MESH}/mesh.ckpt"


def layer() -> nn.Module:
    return nn.Linear(40, 50)


def layer_state(seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    return dict(layer().state_dict())


def checkpoint(content: object) -> bytes:
    stream = BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def training_checkpoint() -> bytes:
    """As training leaves it: the weights under a prefix, beside what inference has no use for."""
    state = {f"lrm_generator.{name}": tensor for name, tensor in layer_state(1).items()}
    leftovers = {"lrm_generator.source_camera.x": torch.zeros(2), "lpips.w": torch.zeros(3)}
    return checkpoint({"state_dict": state | leftovers, "optimizer": {"lr": 0.1}, "epoch": 3})


def hub_file(role: str, name: str, source: str, **more: object) -> HubFile:
    owner, repository, path = source.split("/", 2)
    known: dict[str, object] = {"revision": None, "size": None, "sha256": None, "estimated_size": 10_000}
    return HubFile(role, name, f"{owner}/{repository}", path=path, **(known | more))


@pytest.fixture
def pack(monkeypatch: pytest.MonkeyPatch) -> PublicPack:
    """Configuration, safetensors and a pickled checkpoint, from two repositories."""
    networks = {"unet": Network(layer), "mesh": Network(layer)}
    monkeypatch.setitem(public_networks.KINDS, "tiny", lambda files: networks)
    return PublicPack(
        name="tiny",
        kind="tiny",
        route="multiview",
        summary="for tests",
        licence="CC-BY-NC-4.0",
        licences=(Licence("the weights", "CC-BY-NC-4.0", "https://example.org/licence", "No commerce."),),
        requirements=Requirements(vram_gb=1, memory_gb=2),
        files=(
            hub_file("config", "config.json", CONFIG),
            hub_file("unet", "unet/weights.safetensors", WEIGHTS),
            hub_file("mesh", "mesh.safetensors", CHECKPOINT, strip="lrm_generator.", drop=("source_camera",)),
        ),
    )


def point_to(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What HF_ENDPOINT does for a fresh process."""
    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    template = f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Serves the pack's files; huggingface-hub neither waits between its tries nor has a cache."""
    impatient = SimpleNamespace(**vars(time) | {"sleep": lambda seconds: None})
    monkeypatch.setattr(file_download, "time", impatient)
    monkeypatch.setattr(_http, "time", impatient)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1000)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(_detect_agent, "_registry", {})  # or it would be fetched from the hub
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running_hub() as hub:
        point_to(hub.endpoint, monkeypatch)
        hub.files = {
            CONFIG: b'{"layers": 1}',
            WEIGHTS: save(layer_state(0)),
            CHECKPOINT: training_checkpoint(),
        }
        hub.small = {CONFIG}
        yield hub


@pytest.fixture
def packs_folder(tmp_path: Path) -> Path:
    return tmp_path / "packs"
