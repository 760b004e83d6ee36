from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.jobs.job import STAGE_SHARES, IllegalChangeError, Job, overall_fraction
from backend.protocol import (
    CANCELLED,
    FAILED,
    QUEUED,
    RUNNING,
    STAGES,
    SUCCEEDED,
    ArtifactInfo,
    ErrorInfo,
    JobRequest,
)

CHANGES = {
    "started": lambda job: job.started(),
    "advanced": lambda job: job.advanced("views", 0.5),
    "previewed": lambda job: job.previewed(ArtifactInfo("views/rgb_0.png", 1, "00")),
    "succeeded": lambda job: job.succeeded((ArtifactInfo("asset.glb", 1, "11"),)),
    "failed": lambda job: job.failed(ErrorInfo("error", "why")),
    "cancelled": lambda job: job.cancelled(),
    "cancel_asked": lambda job: job.cancel_asked(),
    "requeued": lambda job: job.requeued(),
}
LEGAL = {
    (QUEUED, RUNNING),
    (QUEUED, CANCELLED),
    (QUEUED, FAILED),
    (RUNNING, SUCCEEDED),
    (RUNNING, FAILED),
    (RUNNING, CANCELLED),
    (RUNNING, QUEUED),
}


@given(st.lists(st.sampled_from(sorted(CHANGES)), max_size=12))
def test_no_sequence_of_changes_leaves_the_diagram(names: list[str]) -> None:
    job = Job("id", JobRequest(image=""))
    for name in names:
        try:
            after = CHANGES[name](job)
        except IllegalChangeError:
            continue
        assert after.state == job.state or (job.state, after.state) in LEGAL
        if job.ended:
            assert after == job
        job = after


def test_every_legal_change_is_possible() -> None:
    seen = set()
    for names in itertools.product(CHANGES, repeat=2):
        job = Job("id", JobRequest(image=""))
        try:
            for name in names:
                before, job = job, CHANGES[name](job)
                seen.add((before.state, job.state))
        except IllegalChangeError:
            continue
    assert seen >= LEGAL


def test_cancel_ends_a_waiting_job_and_only_marks_a_running_one() -> None:
    waiting = Job("id", JobRequest(image=""))
    assert waiting.cancel_asked().state == CANCELLED
    running = waiting.started().cancel_asked()
    assert (running.state, running.cancel_requested) == (RUNNING, True)


def test_a_newer_preview_replaces_the_older() -> None:
    job = Job("id", JobRequest(image="")).started()
    job = job.previewed(ArtifactInfo("a", 1, "00")).previewed(ArtifactInfo("b", 1, "11"))
    job = job.previewed(ArtifactInfo("a", 2, "22"))
    assert {artifact.name: artifact.sha256 for artifact in job.artifacts} == {"a": "22", "b": "11"}


@pytest.mark.parametrize("end", ["succeeded", "failed", "cancelled"])
def test_only_success_shows_results(end: str) -> None:
    job = CHANGES["previewed"](Job("id", JobRequest(image="")).started())
    names = [artifact.name for artifact in CHANGES[end](job).artifacts]
    assert names == (["asset.glb"] if end == "succeeded" else ["views/rgb_0.png"])


def test_overall_fraction_grows_through_the_stages_to_one() -> None:
    assert _bar(STAGES) == sorted(_bar(STAGES))
    assert (_bar(STAGES)[0], _bar(STAGES)[-1]) == (0.0, pytest.approx(1.0))
    assert tuple(STAGE_SHARES) == STAGES


def test_stages_that_a_route_leaves_out_leave_no_gap() -> None:
    without_views = [stage for stage in STAGES if stage not in ("views", "normals")]
    values = _bar(without_views)
    assert values == sorted(values)
    assert values[-1] == pytest.approx(1.0)
    assert max(after - before for before, after in itertools.pairwise(values)) < 0.3


def test_each_variant_begins_its_stages_anew() -> None:
    job = Job("id", JobRequest(image="", variants=2)).started()
    for variant in (0, 1):
        for stage in ("foreground", "field"):
            job = job.advanced(stage, 0.5, variant)
    assert job.begun == ("foreground", "field")


def _bar(stages: Sequence[str]) -> list[float]:
    return [
        overall_fraction(stages[: count + 1], fraction)
        for count in range(len(stages))
        for fraction in (0.0, 0.5, 1.0)
    ]


def test_variants_share_the_job() -> None:
    job = Job("id", JobRequest(image="", variants=4)).started()
    for stage in ("foreground", "views"):
        job = job.advanced(stage, 0.0, variant=2)
    first = overall_fraction(["foreground", "views"], 0.0)
    assert job.status(None).fraction == pytest.approx((2 + first) / 4)
    assert job.status(None).variant == 2
    assert job.requeued().status(None).fraction == 0
    assert job.succeeded(()).status(None).fraction == 1
