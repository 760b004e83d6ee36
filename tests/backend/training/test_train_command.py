"""`python -m backend train`, all of it after the rendering, with the tiny preset."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import backend.packs.loading as loading
import backend.training.__main__ as command
from backend.models.layers.efficientnet_lite import EfficientNetLite
from backend.models.presets import TINY
from backend.packs.eight_bit import dequantise, quantise
from backend.packs.loading import load_pack
from backend.training import pretrained_trunk
from backend.training.dataset import REFERENCES
from backend.training.reference_dataset import ReferenceBatch
from backend.training.weight_averaging import average_into
from tests.backend.training.sphere_examples import write_reference_shard, write_sphere_shard
from tests.backend.training.test_dataset import HELD_OUT, SEEN

MODELS = loading.build_nano(TINY).names
STEPS = ("--steps", "2", "--batch", "2")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A work folder after every step."""
    work = tmp_path_factory.mktemp("work")
    write_sphere_shard(work / "data" / "shard_0000", [SEEN, SEEN, HELD_OUT])
    write_reference_shard(work / "references" / "shard_0000", [SEEN, SEEN, HELD_OUT])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "NANO", TINY)
        patch.setattr(command, "use_available_cores", torch.get_num_threads)
        patch.setattr(command, "load_pretrained", lambda trunk: None)
        for step in (
            ("coordinates", *STEPS),
            ("views", *STEPS),
            # At rate zero the ControlNet stays as it was built.
            ("normals", *STEPS, "--learning-rate", "0"),
            ("generate", "--samples", "2"),
            ("reconstructor", "--generated", *STEPS),
            ("export", "--pack", str(work / "nano_pack")),
        ):
            assert command.main([*step, "--work", str(work)]) == 0
        yield work


def test_every_step_leaves_its_files(trained: Path) -> None:
    names = {path.name for path in (trained / "nano").iterdir()}
    assert names == {f"{name}.{kind}" for name in MODELS for kind in ("pt", "jsonl")}
    assert len(list((trained / "generated").iterdir())) == 1


def test_the_control_starts_as_a_copy_of_the_trained_denoiser(trained: Path) -> None:
    control = torch.load(trained / "nano" / "normals.pt", weights_only=True)
    modules = loading.build_nano(TINY)
    command.load_averaged(modules.views, trained / "nano" / "views.pt")
    base = modules.views.unet.state_dict()
    copied = {name: tensor for name, tensor in control["module"].items() if name.split(".", 1)[1] in base}
    assert len(copied) > 20
    for name, tensor in copied.items():
        torch.testing.assert_close(tensor, base[name.split(".", 1)[1]], msg=name)
    assert control["step"] == 2


def test_the_exported_pack_loads_and_holds_the_averaged_weights(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "find_pack", lambda name, _: trained / name)
    pack = load_pack("nano_pack", torch.device("cpu"))
    assert pack.config == TINY
    modules = loading.build_nano(TINY)
    command.load_averaged(modules.reconstructor, trained / "nano" / "reconstructor.pt")
    stored = load_file(trained / "nano_pack" / "reconstructor.safetensors")
    wanted = quantise(modules.reconstructor.state_dict())
    assert stored.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(stored[name], tensor), name


def test_only_a_fresh_net_gets_the_pretrained_trunk(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[object] = []
    monkeypatch.setattr(command, "load_pretrained", started.append)
    assert command.main(["coordinates", *STEPS, "--work", str(trained)]) == 0
    assert started == [], "its checkpoint goes on"
    shutil.copytree(trained / "references", tmp_path / "references")
    assert command.main(["coordinates", "--steps", "1", "--batch", "1", "--work", str(tmp_path)]) == 0
    assert [type(trunk) for trunk in started] == [EfficientNetLite]


def test_a_pack_to_start_from_stands_in_for_every_missing_checkpoint(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "load_pretrained", lambda trunk: pytest.fail("the pack has the trunk"))
    for folder in ("references", "data"):
        shutil.copytree(trained / folder, tmp_path / folder)
    pack = trained / "nano_pack"
    start = ("--work", str(tmp_path), "--start", str(pack))
    # At rate zero a network stays what it was.
    still = ("--steps", "1", "--batch", "1", "--learning-rate", "0")
    assert command.main(["coordinates", *still, *start]) == 0
    assert command.main(["normals", *still, *start]) == 0
    assert f"Using views of {pack}." in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "nano").glob("*.pt")} == {"coordinates.pt", "normals.pt"}
    assert command.main(["export", "--pack", str(tmp_path / "again"), *start]) == 0
    for name in MODELS:
        before, after = (
            dequantise(load_file(folder / f"{name}.safetensors")) for folder in (pack, tmp_path / "again")
        )
        assert before.keys() == after.keys()
        for key, tensor in before.items():
            torch.testing.assert_close(after[key], tensor, atol=1e-6, rtol=1e-6, msg=f"{name} {key}")


def test_the_mean_with_another_pack_is_exported(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "NANO", TINY)
    other = loading.build_nano(TINY)
    for parameter in other.coordinates.parameters():
        torch.nn.init.constant_(parameter, 2.0)
    loading.save_nano(other, TINY, tmp_path / "other")
    out = tmp_path / "mean"
    step = ["export", "--work", str(trained), "--pack", str(out), "--average", str(tmp_path / "other")]
    assert command.main(step) == 0
    trained_alone, mean = (
        dequantise(load_file(folder / "coordinates.safetensors")) for folder in (trained / "nano_pack", out)
    )
    for name, _ in other.coordinates.named_parameters():
        step_of_eight_bits = float((mean[name] - mean[name].mean()).abs().max()) / 100 + 0.02
        expected = trained_alone[name] / 2 + 1
        assert mean[name].float() == pytest.approx(expected.float(), abs=step_of_eight_bits), name


def test_two_architectures_have_no_mean() -> None:
    with pytest.raises(ValueError, match="no mean"):
        average_into(torch.nn.Linear(2, 3), torch.nn.Linear(3, 2))


def test_a_pack_to_start_from_must_be_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["coordinates", "--work", str(tmp_path), "--start", str(tmp_path / "none")]) == 1
    assert f"{tmp_path / 'none' / 'coordinates.safetensors'} is missing" in capsys.readouterr().err


def test_the_coordinates_also_learn_from_the_samples_but_are_judged_by_the_references_alone(
    tmp_path: Path,
) -> None:
    write_reference_shard(tmp_path / "references" / "shard_0000", [SEEN, SEEN, HELD_OUT])
    assert len(command._reference_images(tmp_path, held_out=False)) == 2 * 2
    write_sphere_shard(tmp_path / "data" / "shard_0000", [SEEN, HELD_OUT])
    training = command._reference_images(tmp_path, held_out=False)
    assert len(training) == 2 * 2 + REFERENCES
    assert len(command._reference_images(tmp_path, held_out=True)) == 2
    batch = ReferenceBatch.stack([training[0], training[len(training) - 1]], torch.device("cpu"))
    assert batch.reference_rgba.shape == (2, 4, 64, 64)


def test_references_are_rendered_beside_the_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[tuple[object, ...], dict[str, int]]] = []
    monkeypatch.setattr(command, "render_references", lambda *paths, **rest: asked.append((paths, rest)))
    data, work = [tmp_path / "assets", tmp_path / "furniture"], tmp_path / "work"
    share = ("--samples", "90", "--worker", "1", "--workers", "3", "--seed", "4")
    assert command.main(["references", "--data", *map(str, data), "--work", str(work), *share]) == 0
    assert asked == [((data, work / "references"), {"images": 540, "worker": 1, "workers": 3, "seed": 4})]


def test_what_is_missing_is_one_line_and_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "load_pretrained", lambda trunk: None)
    assert command.main(["views", "--work", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        f"train: {tmp_path / 'nano' / 'coordinates.pt'} is missing: train coordinates first.\n"
    )
    assert command.main(["coordinates", "--work", str(tmp_path)]) == 1
    assert "Render some first: python -m backend train references" in capsys.readouterr().err
    for what in ("render", "references"):
        assert command.main([what, "--work", str(tmp_path)]) == 1
        assert f"{what} needs --data DIR" in capsys.readouterr().err
        assert command.main([what, "--work", str(tmp_path), "--data", str(tmp_path / "none")]) == 1
        assert "index.csv" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        command.main(["everything"])


def test_without_the_packages_weights_there_is_one_line_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "NANO", TINY)
    monkeypatch.setattr(command, "load_pretrained", pretrained_trunk.load_pretrained)
    monkeypatch.setattr(pretrained_trunk, "find_spec", lambda name: None)
    assert command.main(["coordinates", "--work", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(
        "train: The trunk's ImageNet weights are missing: python -m pip"
    )
