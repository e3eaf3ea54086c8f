"""The crew of threads, at the edge of its time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from services.ledger.workers import Workers


def at_once(work: Callable[..., Any], *args: Any) -> Future[Any]:
    """Submits to nobody: the work is done before anyone waits for it."""
    future: Future[Any] = Future()
    try:
        future.set_result(work(*args))
    except TimeoutError as error:
        future.set_exception(error)
    return future


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    crew = Workers(1, 1, 0.0)
    monkeypatch.setattr(crew._pool, "submit", at_once)
    return crew


async def test_work_that_is_done_as_its_time_ends_counts(workers: Workers) -> None:
    assert await workers.run(len, "done") == 4


async def test_the_works_own_timeout_is_passed_on(workers: Workers) -> None:
    def late() -> None:
        raise TimeoutError("the disk")

    with pytest.raises(TimeoutError, match="the disk"):
        await workers.run(late)
