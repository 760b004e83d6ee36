from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.backend.jobs.fakes import ScriptedRunner
from tests.backend.jobs.running import RunningJobs, running_jobs


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningJobs]:
    """A store, a supervisor and a warm worker that the tests of one module share."""
    folder = tmp_path_factory.mktemp("jobs")
    with running_jobs(folder, ScriptedRunner(folder)) as jobs:
        yield jobs


@pytest.fixture
def make_jobs(tmp_path: Path) -> Iterator[Callable[..., RunningJobs]]:
    """For tests that need their own settings: call with Supervisor's and the store's keywords."""
    with ExitStack() as stack:

        def make(runner: ScriptedRunner | None = None, **settings: float) -> RunningJobs:
            return stack.enter_context(
                running_jobs(tmp_path / "jobs", runner or ScriptedRunner(tmp_path), **settings)
            )

        yield make
