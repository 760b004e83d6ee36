from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from backend.api.app import create_app
from tests.backend.jobs.fakes import ScriptedRunner
from tests.backend.jobs.running import RunningJobs, running_jobs

TOKEN = "a-token-for-the-tests"
BASE_URL = "http://127.0.0.1:1"


@pytest.fixture(scope="package")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningJobs]:
    folder = tmp_path_factory.mktemp("api")
    with running_jobs(folder, ScriptedRunner(folder), queue_limit=2) as jobs:
        yield jobs


@pytest.fixture
def stranger(jobs: RunningJobs) -> Iterator[TestClient]:
    """A client without a token."""
    with TestClient(create_app(jobs.service, TOKEN), BASE_URL, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client(stranger: TestClient) -> TestClient:
    stranger.headers["Authorization"] = f"Bearer {TOKEN}"
    return stranger
