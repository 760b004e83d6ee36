from __future__ import annotations

import base64
import dataclasses
import hashlib
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from backend.api.schemas import JobBody
from backend.jobs.job import Job
from backend.protocol import (
    CANCELLED,
    FAILED,
    MAX_IMAGE_BYTES,
    PROTOCOL_VERSION,
    SUCCEEDED,
    TERMINAL_STATES,
    Health,
    JobRequest,
    JobStatus,
)
from tests.backend.jobs.running import RunningJobs


def body(script: bytes = b"succeed", **options: object) -> dict[str, object]:
    return JobRequest(image=base64.b64encode(script).decode(), **options).to_json()


def submit(client: TestClient, script: bytes = b"succeed", **options: object) -> JobStatus:
    answer = client.post("/jobs", json=body(script, **options))
    assert answer.status_code == 201, answer.text
    return JobStatus.from_json(answer.json())


def look(client: TestClient, job_id: str, since: int = -1, wait: float = 10.0) -> JobStatus:
    answer = client.get(f"/jobs/{job_id}", params={"since": since, "wait": wait})
    assert answer.status_code == 200, answer.text
    return JobStatus.from_json(answer.json())


def follow(client: TestClient, job_id: str) -> list[JobStatus]:
    """Long-poll to the end."""
    seen = [look(client, job_id)]
    while seen[-1].state not in TERMINAL_STATES:
        seen.append(look(client, job_id, since=seen[-1].sequence))
    return seen


def test_the_body_is_the_protocol_s_request() -> None:
    fields = {field.name: field.default for field in dataclasses.fields(JobRequest)}
    assert list(JobBody.model_fields) == list(fields)
    assert JobBody(image="x").to_request() == JobRequest(image="x")


def test_health_tells_versions_packs_and_device(client: TestClient, jobs: RunningJobs) -> None:
    jobs.finish(jobs.submit(b"succeed"))
    health = Health.from_json(client.get("/health").json())
    assert (health.protocol_version, health.packs) == (PROTOCOL_VERSION, ["nano"])
    assert (health.device, health.ready) == ("scripted", True)


def test_a_job_from_submission_to_download(client: TestClient) -> None:
    job = submit(client, name="chair", seed=3)
    statuses = follow(client, job.id)
    sequences = [status.sequence for status in statuses]
    assert sequences == sorted(set(sequences))
    assert [status.fraction for status in statuses] == sorted(status.fraction for status in statuses)
    end = statuses[-1]
    assert (end.state, end.fraction, end.error) == (SUCCEEDED, pytest.approx(1.0), None)
    for artifact in end.artifacts:
        answer = client.get(f"/jobs/{job.id}/artifacts/{artifact.name}")
        assert answer.headers["ETag"] == f'"{artifact.sha256}"'
        assert hashlib.sha256(answer.content).hexdigest() == artifact.sha256
        assert len(answer.content) == artifact.size
    kinds = [client.get(f"/jobs/{job.id}/artifacts/{a.name}").headers["content-type"] for a in end.artifacts]
    assert kinds == ["model/gltf-binary", "image/png"]


def test_a_download_goes_on_where_it_was_cut(client: TestClient) -> None:
    job = follow(client, submit(client).id)[-1]
    url, etag = f"/jobs/{job.id}/artifacts/asset.glb", f'"{job.artifacts[0].sha256}"'
    whole = client.get(url).content
    rest = client.get(url, headers={"Range": "bytes=5-", "If-Range": etag})
    assert (rest.status_code, rest.content) == (206, whole[5:])


def test_thousands_of_ranges_cost_nothing(client: TestClient) -> None:
    job = follow(client, submit(client).id)[-1]
    ranges = ",".join(f"{start}-{start + 1}" for start in range(10_000))
    start = time.monotonic()
    answer = client.get(f"/jobs/{job.id}/artifacts/asset.glb", headers={"Range": f"bytes={ranges}"})
    assert time.monotonic() - start < 1.0
    assert len(answer.content) < 10_000


def test_long_poll_sees_each_change_once_when_it_looks_often_enough(
    client: TestClient, jobs: RunningJobs
) -> None:
    """The store is changed by hand, one change per look: not one number is skipped or repeated."""
    blocker = jobs.submit(b"steps")
    job_id = submit(client).id  # waits behind the blocker
    seen = []
    for step in range(20):
        change = threading.Timer(0.01, jobs.store.change, [job_id, _next_change(step)])
        change.start()
        last = seen[-1] if seen else look(client, job_id, wait=0).sequence
        seen.append(look(client, job_id, since=last, wait=10).sequence)
        change.join()
    assert seen == list(range(seen[0], seen[0] + 20))
    client.post(f"/jobs/{job_id}/cancel")
    client.post(f"/jobs/{blocker}/cancel")
    jobs.finish(blocker)


def _next_change(step: int) -> Callable[[Job], Job]:
    # A waiting job has no progress of its own, so nothing else changes this one meanwhile.
    return lambda job: dataclasses.replace(job, stage_fraction=(step + 1) / 20)


def test_long_poll_returns_unchanged_when_the_time_is_over(client: TestClient, jobs: RunningJobs) -> None:
    job_id = jobs.submit(b"deaf")
    status = look(client, job_id, wait=0)
    jobs.wait(job_id, lambda job: job.stage == "mesh")
    status = look(client, job_id, wait=0)
    start = time.monotonic()
    assert look(client, job_id, since=status.sequence, wait=0.2) == status
    assert 0.2 <= time.monotonic() - start < 2.0
    assert look(client, job_id, since=-1, wait=10) == status  # older news: at once
    _kill_worker(jobs, job_id)


def _kill_worker(jobs: RunningJobs, job_id: str) -> None:
    """End a deaf job without its five seconds of grace."""
    jobs.service.cancel(job_id)
    os.kill(jobs.supervisor.worker_pid, signal.SIGKILL)
    assert jobs.finish(job_id).state == CANCELLED


def test_long_poll_of_an_ended_job_does_not_wait(client: TestClient) -> None:
    end = follow(client, submit(client).id)[-1]
    start = time.monotonic()
    assert look(client, end.id, since=end.sequence, wait=10) == end
    assert time.monotonic() - start < 1.0


def test_cancel_over_http(client: TestClient, jobs: RunningJobs) -> None:
    running, queued = submit(client, b"steps"), submit(client)
    assert queued.queue_position is not None
    assert client.post(f"/jobs/{queued.id}/cancel").json()["state"] == CANCELLED
    client.post(f"/jobs/{running.id}/cancel")
    assert follow(client, running.id)[-1].state == CANCELLED
    late = client.post(f"/jobs/{running.id}/cancel")
    assert (late.status_code, late.json()["state"]) == (200, CANCELLED)


def test_a_failed_job_tells_why(client: TestClient) -> None:
    end = follow(client, submit(client, b"bad image").id)[-1]
    assert (end.state, end.error.code) == (FAILED, "bad_image")
    assert end.error.message == "This is not an image. Choose another file."


def test_a_full_queue_says_when_to_come_back(client: TestClient, jobs: RunningJobs) -> None:
    running = submit(client, b"steps")
    jobs.wait(running.id, lambda job: job.stage is not None)
    queued = [submit(client), submit(client)]
    answer = client.post("/jobs", json=body())
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "queue_full")
    assert int(answer.headers["Retry-After"]) > 0
    for job in [*queued, running]:
        client.post(f"/jobs/{job.id}/cancel")
    jobs.finish(running.id)


def test_an_idempotency_key_makes_a_repeat_safe(client: TestClient) -> None:
    headers = {"Idempotency-Key": "once"}
    first = client.post("/jobs", json=body(), headers=headers).json()
    assert client.post("/jobs", json=body(), headers=headers).json()["id"] == first["id"]
    answer = client.post("/jobs", json=body(seed=9), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    follow(client, first["id"])


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"image": "https://evil.example/a.png"}, "bad_input", "not base64"),
        ({"image": "/etc/passwd"}, "bad_input", "not base64"),
        ({"image": ""}, "bad_image", "zero bytes"),
        ({"url": "https://evil.example/a.png"}, "bad_input", "url: Extra inputs"),
        ({"faces": 3}, "bad_option", "faces is 3: it must be a whole number from 100 to 200000"),
        ({"faces": "many"}, "bad_input", "faces: Input should be a valid integer"),
        ({"seed": True}, "bad_input", "seed: Input should be a valid integer"),
        ({"seed": 2**31}, "bad_option", "seed is 2147483648"),
        ({"texture_size": 10**9}, "bad_option", "texture_size is 1000000000"),
        ({"steps": 0}, "bad_option", "steps is 0"),
        ({"guidance": -1.0}, "bad_option", "guidance is -1.0"),
        ({"height_metres": 0}, "bad_option", "height_metres is 0"),
        ({"name": "a\nb"}, "bad_option", "printable"),
        ({"pack": "huge"}, "pack", "Choose one of: nano"),
        ({"pack": "../nano"}, "pack", "Choose one of: nano"),
        ({"route": "sideways"}, "bad_option", "multiview, lrm"),
        ({"route": "lrm"}, "bad_option", "'nano' goes the route 'multiview'"),
    ],
)
def test_unusable_requests_say_what_is_wanted(
    client: TestClient, changes: dict[str, object], code: str, text: str
) -> None:
    answer = client.post("/jobs", json={**body(), **changes})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, code)
    assert text in answer.json()["error"]["message"]


def test_an_image_over_the_limit_is_refused(client: TestClient) -> None:
    answer = client.post("/jobs", json=body(bytes(MAX_IMAGE_BYTES + 1)))
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_image")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"image": NaN}', b"\xff", b"[" * 10**5])
def test_broken_json_is_the_caller_s_fault(client: TestClient, content: bytes) -> None:
    answer = client.post("/jobs", content=content, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]["message"]


def test_unknown_jobs_are_not_found(client: TestClient) -> None:
    for method, path in [
        ("GET", "/jobs/x"),
        ("POST", "/jobs/x/cancel"),
        ("GET", "/jobs/x/artifacts/asset.glb"),
    ]:
        answer = client.request(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "job_not_found")


@pytest.mark.parametrize(
    "name",
    [
        "..%2Fimage",
        "%2e%2e/image",
        "..%2f..%2f..%2fetc%2fpasswd",
        "%2Fetc%2Fpasswd",
        "asset.glb%00",
        "image",
        "work",
        "",
    ],
)
def test_artifact_names_are_never_paths(client: TestClient, name: str) -> None:
    job_id = follow(client, submit(client).id)[-1].id
    answer = client.get(f"/jobs/{job_id}/artifacts/{name}")
    assert answer.status_code == 404
    assert b"root" not in answer.content


@pytest.mark.parametrize("query", ["since=x", "wait=-1", "wait=nan", "wait=inf", "since=-2"])
def test_bad_queries_are_the_caller_s_fault(client: TestClient, query: str) -> None:
    assert client.get(f"/jobs/x?{query}").status_code == 422


def test_a_bug_in_a_route_shows_no_traceback(
    client: TestClient, jobs: RunningJobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(job_id: str) -> Job:
        raise ValueError("secret")

    monkeypatch.setattr(jobs.service, "cancel", broken)
    answer = client.post("/jobs/x/cancel")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "error")
    assert "secret" not in answer.text
