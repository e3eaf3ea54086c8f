"""A bounded crew of threads for what would hold the event loop up: contracts, signatures, verification.

Python cannot stop a thread. A contract that exceeds its time keeps its thread until it returns; the caller is answered
in time, and the place that the contract takes counts against the limit until then.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class WorkersBusyError(Exception):
    """As much waits or runs as is allowed."""


class WorkTimeoutError(Exception):
    """The work was not done in time."""


class Workers:
    """`threads` run at once; `limit` may wait or run; each piece of work may take `seconds`, the wait included."""

    def __init__(self, threads: int, limit: int, seconds: float) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="ledger-worker")
        self._limit, self._seconds = limit, seconds
        self._pending = 0
        self._lock = threading.Lock()

    async def run(self, work: Callable[..., _Result], *args: Any) -> _Result:
        """The result of `work(*args)`, or what it raised. Raises WorkersBusyError at once, WorkTimeoutError late.

        Work whose caller has gone away before its turn is not begun.
        """
        with self._lock:
            if self._pending >= self._limit:
                raise WorkersBusyError(f"{self._limit} calls are in work or waiting")
            self._pending += 1
        future = self._pool.submit(work, *args)
        future.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._seconds)
        except TimeoutError:
            if future.done() and not future.cancelled():
                # Done in the very moment, or itself ended with a TimeoutError.
                return future.result()
            raise WorkTimeoutError from None

    def close(self) -> None:
        """Begins nothing more; does not wait for contracts that run on."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self, _: Future[Any]) -> None:
        with self._lock:
            self._pending -= 1
