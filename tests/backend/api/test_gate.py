from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from backend.api.gate import MAX_BODY_BYTES
from tests.backend.api.conftest import TOKEN
from tests.backend.jobs.running import RunningJobs

IMAGE = base64.b64encode(b"succeed").decode()
SUBMISSION = {"image": IMAGE}


def routes(client: TestClient) -> list[tuple[str, str]]:
    """(method, path) of each route in the OpenAPI document, with something in place of each parameter."""
    paths = client.get("/openapi.json").json()["paths"]
    return [(method, re.sub(r"{.*?}", "x", path)) for path, methods in paths.items() for method in methods]


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {TOKEN}",
        f"Bearer {TOKEN}x",
        TOKEN,
        "Bearer \xe9",
    ],
)
def test_every_route_wants_the_token(client: TestClient, authorization: str | None) -> None:
    all_routes = routes(client)
    assert len(all_routes) == 5
    del client.headers["Authorization"]
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    for method, path in [*all_routes, ("get", "/openapi.json"), ("get", "/nothing")]:
        if (path, authorization) == ("/health", None):
            continue
        answer = client.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorised"), path


def test_health_without_a_token_tells_only_that_it_lives(stranger: TestClient) -> None:
    answer = stranger.get("/health").json()
    assert (answer["protocol_version"], answer["device"], answer["packs"]) == (1, "", [])


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "10.0.0.1", "[::2]:1"]
)
def test_foreign_hosts_are_refused(client: TestClient, host: str) -> None:
    answer = client.get("/health", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "refused")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:5", "LOCALHOST", "[::1]:7"])
def test_loopback_hosts_are_welcome(client: TestClient, host: str) -> None:
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
def test_browsers_are_refused_and_make_no_job(client: TestClient, jobs: RunningJobs, origin: str) -> None:
    answer = client.post("/jobs", json=SUBMISSION, headers={"Origin": origin, "Idempotency-Key": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert origin not in jobs.store._keys


def test_a_preflight_is_refused(client: TestClient) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    assert client.options("/jobs", headers=headers).status_code == 403


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_only_json_bodies_are_read(client: TestClient, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    answer = client.post("/jobs", content=json.dumps(SUBMISSION).encode(), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "refused")


def test_a_body_that_announces_too_much_is_not_read(client: TestClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": str(MAX_BODY_BYTES + 1)}
    answer = client.post("/jobs", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")


def test_a_chunked_body_is_cut_off_at_the_limit(client: TestClient) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(200):
            sent += 2**20
            yield b" " * 2**20

    answer = client.post("/jobs", content=chunks(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "body_too_large")
    assert "32 MB" in answer.json()["error"]["message"]
