from __future__ import annotations

import ast
import dataclasses
import json
import tomllib
from pathlib import Path

import backend
from backend import errors
from backend.pipeline import stage_data
from backend.protocol import LIMITS, STAGES, ArtifactInfo, ErrorInfo, Health, JobRequest, JobStatus

ROOT = Path(__file__).parents[2]


def test_a_status_survives_the_wire() -> None:
    status = JobStatus(
        id="a",
        sequence=3,
        state="failed",
        stage="views",
        stage_fraction=0.5,
        fraction=0.2,
        queue_position=None,
        artifacts=[ArtifactInfo("asset.glb", 4, "00")],
        error=ErrorInfo("pack", "why"),
    )
    assert JobStatus.from_json(json.loads(json.dumps(status.to_json()))) == status


def test_a_newer_backend_s_extra_fields_are_ignored() -> None:
    health = Health(1, "0.1.0", "cpu", ["nano"], True)
    assert Health.from_json({**dataclasses.asdict(health), "later": 1}) == health


def test_requests_and_pipeline_options_agree() -> None:
    of_the_job = ("image", "name", "variants")
    request = {f.name: f.default for f in dataclasses.fields(JobRequest) if f.name not in of_the_job}
    options = {field.name: field.default for field in dataclasses.fields(stage_data.Options)}
    assert request == options
    assert set(LIMITS) == (set(options) - {"pack", "route"}) | {"variants"}
    assert stage_data.STAGES == STAGES


def test_what_is_left_to_the_pack_is_not_sent() -> None:
    """So that a backend from before an option's time takes the request."""
    sent = JobRequest(image="").to_json()
    assert not {"route", "steps", "guidance"} & set(sent)
    assert JobRequest(**sent) == JobRequest(image="")
    assert JobRequest(image="", route="lrm").to_json()["route"] == "lrm"


def test_each_error_has_its_own_code_and_its_place_in_the_drawing() -> None:
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, Exception)]
    codes = [cls.code for cls in classes]
    assert len(set(codes)) == len(codes)
    drawing = ast.get_docstring(ast.parse(Path(errors.__file__).read_text()))
    assert all(cls.__name__ in drawing for cls in classes)


def test_the_version_is_told_once_in_two_places() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == backend.__version__
