"""Packs from a hub that cuts, corrupts, delays and refuses."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from filelock import FileLock
from huggingface_hub import constants
from safetensors.torch import load_file, save

from backend.errors import PackError
from backend.packs import installing
from backend.packs.catalogue import PublicPack
from backend.packs.hub import HubSource
from backend.packs.installing import install, remove
from backend.packs.manifest import files_by_role, find_pack, known_packs, read_manifest, verify
from tests.backend.packs.hub_server import COMMIT, Hub
from tests.backend.packs.miniature import (
    CHECKPOINT,
    CONFIG,
    VIEWS,
    WEIGHTS,
    checkpoint,
    layer_state,
    point_to,
)

Attempt = Callable[[], None]


@pytest.fixture
def attempt(pack: PublicPack, hub: Hub, packs_folder: Path) -> Attempt:
    def run() -> None:
        install(pack, HubSource(), packs_folder, lambda text: None)

    return run


def installed(packs_folder: Path) -> list[str]:
    """Names of what looks whole, to us and to anyone who lists the folder."""
    visible = [path.name for path in packs_folder.glob("[!.]*")] if packs_folder.exists() else []
    assert [name for name in known_packs(packs_folder) if name != "nano"] == visible
    return visible


def test_a_pack_arrives_whole_and_converted(attempt: Attempt, packs_folder: Path, hub: Hub) -> None:
    attempt()
    folder = find_pack("tiny", packs_folder)
    manifest = verify(folder)
    assert (manifest.kind, manifest.licence) == ("tiny", "CC-BY-NC-4.0")
    files = files_by_role(folder)
    assert files["config"].read_bytes() == hub.files[CONFIG]
    assert files["unet"].read_bytes() == hub.files[WEIGHTS]
    mesh = load_file(files["mesh"])
    assert mesh.keys() == layer_state(1).keys()
    assert all(torch.equal(mesh[name], tensor) for name, tensor in layer_state(1).items())
    assert "https://example.org/licence" in (folder / "LICENCES.txt").read_text()
    assert [path.name for path in packs_folder.iterdir() if path.is_dir()] == ["tiny"]


def test_an_unpinned_repository_is_pinned_to_one_commit(attempt: Attempt, hub: Hub) -> None:
    attempt()
    # One question about the branch for each repository; all else is about the commit that it named.
    assert hub.revisions.count(("HEAD", "main")) == 2
    assert {revision for method, revision in hub.revisions if method == "GET"} == {COMMIT}


def test_a_sound_pack_is_not_fetched_again(attempt: Attempt, hub: Hub) -> None:
    attempt()
    asked = len(hub.requests)
    attempt()
    assert len(hub.requests) == asked


def test_a_spoilt_pack_is_replaced(attempt: Attempt, packs_folder: Path) -> None:
    attempt()
    (packs_folder / "tiny" / "config.json").write_text("{}")
    attempt()
    verify(packs_folder / "tiny")
    assert installed(packs_folder) == ["tiny"]


def test_a_cut_is_mended_within_the_same_run(attempt: Attempt, packs_folder: Path, hub: Hub) -> None:
    hub.cuts[WEIGHTS] = [3000, 5000]
    attempt()
    assert hub.ranges_of(WEIGHTS) == [None, "bytes=3000-", "bytes=5000-"]
    assert (packs_folder / "tiny" / "unet" / "weights.safetensors").read_bytes() == hub.files[WEIGHTS]


def test_a_long_cut_leaves_nothing_whole_and_the_next_run_goes_on(
    attempt: Attempt, packs_folder: Path, hub: Hub
) -> None:
    hub.cuts[WEIGHTS] = [3000] * 50
    with pytest.raises(PackError, match="goes on where it stopped"):
        attempt()
    assert installed(packs_folder) == []
    hub.cuts.clear()
    hub.requests.clear()
    attempt()
    assert hub.ranges_of(WEIGHTS) == ["bytes=3000-"]
    assert hub.ranges_of(CONFIG) == []
    assert installed(packs_folder) == ["tiny"]


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, CHECKPOINT])
def test_corruption_is_found_and_not_kept(attempt: Attempt, packs_folder: Path, hub: Hub, name: str) -> None:
    hub.corrupt.add(name)
    with pytest.raises(PackError, match=f"{name.rpartition('/')[2]} came damaged"):
        attempt()
    assert installed(packs_folder) == []
    hub.corrupt.clear()
    attempt()
    assert installed(packs_folder) == ["tiny"]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_names_the_file(attempt: Attempt, packs_folder: Path, hub: Hub, status: int) -> None:
    hub.status[WEIGHTS] = status
    with pytest.raises(PackError, match=rf"refused .*weights\.safetensors \({status}\)"):
        attempt()
    assert installed(packs_folder) == []


def test_a_slow_hub_is_waited_for(attempt: Attempt, packs_folder: Path, hub: Hub) -> None:
    hub.delay_seconds = 0.1
    attempt()
    assert installed(packs_folder) == ["tiny"]


def test_a_silent_hub_is_given_up(
    attempt: Attempt, packs_folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 0.05)
    original = installing._require_room

    def then_fall_silent(*arguments: object) -> None:
        hub.delay_seconds = 0.2
        original(*arguments)

    monkeypatch.setattr(installing, "_require_room", then_fall_silent)
    with pytest.raises(PackError, match="Timeout"):
        attempt()
    assert installed(packs_folder) == []


def test_no_hub_at_all(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    point_to("http://127.0.0.1:9", monkeypatch)
    with pytest.raises(PackError, match=r"connection to .* broke"):
        attempt()


def test_offline_says_what_to_do(attempt: Attempt, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(PackError, match=r"HF_HUB_OFFLINE is set.*--from FOLDER"):
        attempt()
    assert hub.requests == []


def test_a_full_disk_is_found_before_the_download(
    attempt: Attempt, packs_folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = sum(map(len, hub.files.values())) + len(hub.files[CHECKPOINT])
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=needed - 1))
    with pytest.raises(PackError, match=r"kB free, .* kB are needed"):
        attempt()
    assert all(method == "HEAD" for method, _, _ in hub.requests)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=needed))
    attempt()
    assert installed(packs_folder) == ["tiny"]


@pytest.mark.parametrize("moment", ["_put_in_place", "_write_manifest", "_check_networks"])
def test_an_interruption_leaves_nothing_that_looks_whole(
    attempt: Attempt, packs_folder: Path, hub: Hub, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(installing, moment, interrupt)
        with pytest.raises(KeyboardInterrupt):
            attempt()
    assert installed(packs_folder) == []
    hub.requests.clear()
    attempt()
    assert all(method == "HEAD" for method, _, _ in hub.requests), "everything had been fetched"
    assert installed(packs_folder) == ["tiny"]


def test_other_files_upstream_do_not_mix_with_a_begun_installation(
    attempt: Attempt, packs_folder: Path, hub: Hub
) -> None:
    hub.cuts[CHECKPOINT] = [1000] * 50
    with pytest.raises(PackError):
        attempt()
    hub.cuts.clear()
    hub.files[WEIGHTS] = save(layer_state(7))
    attempt()
    folder = packs_folder / "tiny"
    assert (folder / "unet" / "weights.safetensors").read_bytes() == hub.files[WEIGHTS]
    assert not list(packs_folder.glob("*.part"))


def test_the_catalogue_s_hash_counts_more_than_the_hub_s(
    pack: PublicPack, hub: Hub, packs_folder: Path
) -> None:
    pinned = hashlib.sha256(b"what Bozzetto was made for").hexdigest()
    strict = replace(pack, files=(replace(pack.files[1], sha256=pinned),))
    with pytest.raises(PackError, match=f"the pack wants {pinned}"):
        install(strict, HubSource(), packs_folder, lambda text: None)
    assert hub.ranges_of(WEIGHTS) == []


def test_another_size_is_refused_before_the_download(pack: PublicPack, hub: Hub, packs_folder: Path) -> None:
    strict = replace(pack, files=(replace(pack.files[0], size=5),))
    with pytest.raises(PackError, match="has 13 bytes, the pack wants 5"):
        install(strict, HubSource(), packs_folder, lambda text: None)


def test_weights_that_do_not_fit_name_parameter_and_file(
    attempt: Attempt, packs_folder: Path, hub: Hub
) -> None:
    hub.files[WEIGHTS] = save({"weight": torch.zeros(50, 41), "extra": torch.zeros(1)})
    with pytest.raises(PackError) as raised:
        attempt()
    for part in (
        "unet/weights.safetensors",
        "weight gives (50, 41)",
        "bias is missing",
        "extra is not known",
    ):
        assert part in str(raised.value)
    assert installed(packs_folder) == []


class Malicious:
    """Runs a command when it is unpickled without restraint."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.proof), "w")


def test_a_malicious_pickle_is_refused_and_not_run(
    attempt: Attempt, packs_folder: Path, hub: Hub, tmp_path: Path
) -> None:
    proof = tmp_path / "it ran"
    hub.files[CHECKPOINT] = checkpoint({"state_dict": layer_state(1), "hook": Malicious(proof)})
    with pytest.raises(PackError, match=r"mesh\.ckpt is refused"):
        attempt()
    assert not proof.exists()
    assert installed(packs_folder) == []


def test_the_hub_s_cache_is_used(attempt: Attempt, packs_folder: Path, hub: Hub, tmp_path: Path) -> None:
    snapshot = tmp_path / "cache" / "models--owner--views" / "snapshots" / COMMIT / "unet"
    snapshot.mkdir(parents=True)
    (snapshot / "weights.safetensors").write_bytes(hub.files[WEIGHTS])
    attempt()
    assert hub.ranges_of(WEIGHTS) == []
    assert installed(packs_folder) == ["tiny"]


def test_two_installations_of_one_pack_do_not_meet(attempt: Attempt, packs_folder: Path) -> None:
    packs_folder.mkdir()
    with FileLock(packs_folder / ".tiny.lock"), pytest.raises(PackError, match="Another process"):
        attempt()


def test_a_folder_that_cannot_be_made_is_told(pack: PublicPack, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(PackError, match="cannot be used"):
        install(pack, HubSource(), tmp_path / "file" / "packs", lambda text: None)


def test_a_removed_pack_is_gone(attempt: Attempt, packs_folder: Path) -> None:
    attempt()
    size = read_manifest(packs_folder / "tiny").size
    assert remove("tiny", packs_folder) >= size
    assert installed(packs_folder) == []
    assert [path for path in packs_folder.rglob("*") if path.suffix != ".lock"] == []
    with pytest.raises(PackError, match="no pack 'tiny'"):
        remove("tiny", packs_folder)


def test_an_unfinished_installation_can_be_removed(attempt: Attempt, packs_folder: Path, hub: Hub) -> None:
    hub.cuts[WEIGHTS] = [3000] * 50
    with pytest.raises(PackError):
        attempt()
    assert remove("tiny", packs_folder) > 3000
    assert not list(packs_folder.glob("*.part"))


def test_what_ships_with_bozzetto_stays(packs_folder: Path) -> None:
    with pytest.raises(PackError, match="part of Bozzetto"):
        remove("nano", packs_folder)


def test_progress_names_every_file(pack: PublicPack, hub: Hub, packs_folder: Path) -> None:
    told: list[str] = []
    install(pack, HubSource(), packs_folder, told.append)
    for number, file in enumerate(pack.files, 1):
        assert any(text.startswith(f"[{number}/3] {file.name}") for text in told)
    assert VIEWS in "".join(told)
