from __future__ import annotations

import hashlib
import socket
import time
from pathlib import Path

import pytest

from blender_addon.backend_client import BackendClient
from blender_addon.errors import (
    AddressError,
    ChangedError,
    TokenError,
    UnreachableError,
    UnsafeAnswerError,
    VersionError,
    WayOut,
)
from blender_addon.protocol import ArtifactInfo
from tests.blender_addon.stand_in import TOKEN, StandIn
from tests.blender_addon.tiny_asset import cube_glb


def client_of(backend: StandIn) -> BackendClient:
    return BackendClient(backend.address, TOKEN)


def listed(name: str, data: bytes) -> ArtifactInfo:
    return ArtifactInfo(name, len(data), hashlib.sha256(data).hexdigest())


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_health_names_the_packs(backend: StandIn) -> None:
    assert client_of(backend).health().packs == ["nano"]


def test_wrong_token_leads_to_the_preferences(backend: StandIn) -> None:
    with pytest.raises(TokenError, match="token file") as caught:
        BackendClient(backend.address, "another token").health()
    assert caught.value.way_out is WayOut.PREFERENCES


def test_other_protocol_version_is_refused(backend: StandIn) -> None:
    backend.protocol_version = 99
    with pytest.raises(VersionError, match="protocol 99"):
        client_of(backend).health()


def test_nobody_there() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(UnreachableError, match=f"127.0.0.1:{port}"):
        BackendClient(f"http://127.0.0.1:{port}", TOKEN).health()


def test_a_socket_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        client = BackendClient(f"http://127.0.0.1:{deaf.getsockname()[1]}", TOKEN, answer_seconds=0.2)
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="does not answer"):
            client.health()
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", ""])
def test_no_address(address: str) -> None:
    with pytest.raises(AddressError):
        BackendClient(address, TOKEN)


@pytest.mark.parametrize("host", ["gpu.example.org", "192.168.0.7", "0.0.0.0"])
def test_the_token_never_crosses_a_network_in_the_clear(host: str) -> None:
    with pytest.raises(AddressError, match="unencrypted"):
        BackendClient(f"http://{host}:8000", TOKEN)
    assert BackendClient(f"https://{host}:8000", TOKEN).address == f"https://{host}:8000"


def test_download_writes_a_verified_file(backend: StandIn, tmp_path: Path) -> None:
    data = backend.files["maps/normal.png"]
    path = client_of(backend).download("job-1", listed("maps/normal.png", data), tmp_path)
    assert path == tmp_path / "maps" / "normal.png"
    assert path.read_bytes() == data
    assert files_in(tmp_path) == ["maps/normal.png"]


def test_wrong_hash_is_refused(backend: StandIn, tmp_path: Path) -> None:
    artifact = ArtifactInfo("report.json", len(backend.files["report.json"]), "0" * 64)
    with pytest.raises(ChangedError, match="checksum"):
        client_of(backend).download("job-1", artifact, tmp_path)
    assert files_in(tmp_path) == []


def test_a_body_shorter_than_announced_is_refused(backend: StandIn, tmp_path: Path) -> None:
    data = backend.files["report.json"]
    artifact = ArtifactInfo("report.json", len(data) + 1, hashlib.sha256(data).hexdigest())
    with pytest.raises(ChangedError):
        client_of(backend).download("job-1", artifact, tmp_path)
    assert files_in(tmp_path) == []


def test_an_endless_body_is_cut_at_the_announced_size(backend: StandIn, tmp_path: Path) -> None:
    backend.endless = True
    with pytest.raises(UnsafeAnswerError, match="more than"):
        client_of(backend).download("job-1", listed("report.json", backend.files["report.json"]), tmp_path)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize(
    "name", ["../asset.glb", "/etc/passwd", "maps/../../x.png", "asset.glb\0", "views/rgb_9.png", "start.py"]
)
def test_unknown_names_are_refused(backend: StandIn, tmp_path: Path, name: str) -> None:
    with pytest.raises(UnsafeAnswerError, match="unknown name"):
        client_of(backend).download("job-1", listed(name, b"x"), tmp_path / "inner")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("size", [0, -1, 2**40])
def test_absurd_sizes_are_refused(backend: StandIn, tmp_path: Path, size: int) -> None:
    with pytest.raises(UnsafeAnswerError, match="bytes"):
        client_of(backend).download("job-1", ArtifactInfo("asset.glb", size, "0" * 64), tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"images": [{"uri": "http://127.0.0.1/spy.png"}]},
        {"images": [{"uri": "../../secret.png"}]},
        {"buffers": [{"byteLength": 4, "uri": "file:///etc/passwd"}]},
        {"extensions": {"ANY_extension": {"deep": [{"uri": "x"}]}}},
    ],
)
def test_a_glb_that_points_outside_itself_is_refused(backend: StandIn, tmp_path: Path, change: dict) -> None:
    data = cube_glb(change)
    backend.files["asset.glb"] = data
    with pytest.raises(UnsafeAnswerError, match="refers to another file"):
        client_of(backend).download("job-1", listed("asset.glb", data), tmp_path)
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("data", [b"glTF", b"x" * 100, cube_glb()[:-4], b"PK" + cube_glb()[2:]])
def test_what_is_no_glb_is_refused(backend: StandIn, tmp_path: Path, data: bytes) -> None:
    backend.files["asset.glb"] = data
    with pytest.raises(UnsafeAnswerError):
        client_of(backend).download("job-1", listed("asset.glb", data), tmp_path)
    assert files_in(tmp_path) == []
