"""Who waits for which transaction, and for the next block. Belongs to an event loop; the committer's thread only posts.

A waiter registers before it looks into the committed state, so that a commit in between is not missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


class LedgerStoppedError(Exception):
    """The ledger could not commit a block and takes no more."""


@dataclass(frozen=True)
class CommitStatus:
    """Where a transaction ended: its `protos.TxValidationCode` and its block."""

    code: int
    block_number: int


class CommitFeed:
    """Announces blocks that are durable and whose writes are visible."""

    def __init__(self, loop: asyncio.AbstractEventLoop, height: int) -> None:
        self._loop = loop
        self._height = height
        self._transactions: dict[str, set[asyncio.Future[CommitStatus]]] = {}
        self._blocks: set[asyncio.Future[None]] = set()
        self._failure: LedgerStoppedError | None = None
        self._failed = asyncio.Event()
        self._ended = False

    @property
    def height(self) -> int:
        """The number of the next block."""
        return self._height

    def post(self, number: int, statuses: Iterable[tuple[str, CommitStatus]]) -> None:
        """Called from the committer's thread, once a block."""
        self._loop.call_soon_threadsafe(self._announce, number, list(statuses))

    def post_failure(self, failure: LedgerStoppedError) -> None:
        """Called from the committer's thread: no block will follow. Whoever waits, now or later, gets `failure`."""
        self._loop.call_soon_threadsafe(self._fail, failure)

    async def failure(self) -> None:
        """Raises LedgerStoppedError once the ledger has stopped; never returns."""
        await self._failed.wait()
        if self._failure is not None:
            raise self._failure

    @contextmanager
    def transaction(self, transaction_id: str) -> Iterator[asyncio.Future[CommitStatus]]:
        """A future of the transaction's status: of its first occurrence in a block from now on."""
        future: asyncio.Future[CommitStatus] = self._loop.create_future()
        if self._failure is not None:
            future.set_exception(self._failure)
        waiting = self._transactions.setdefault(transaction_id, set())
        waiting.add(future)
        try:
            yield future
        finally:
            waiting.discard(future)
            if not waiting:
                self._transactions.pop(transaction_id, None)
            _settle(future)

    def end_tails(self) -> None:
        """Ends every wait for a block: the ledger is about to stop. Transactions that were ordered still commit."""
        self._ended = True
        self._wake()

    async def block(self, number: int) -> None:
        """Returns once block `number` is committed. Raises LedgerStoppedError."""
        while self._height <= number:
            if self._failure is not None:
                raise self._failure
            if self._ended:
                raise LedgerStoppedError("the ledger is stopping")
            future: asyncio.Future[None] = self._loop.create_future()
            self._blocks.add(future)
            try:
                await future
            finally:
                self._blocks.discard(future)

    def _announce(self, number: int, statuses: list[tuple[str, CommitStatus]]) -> None:
        self._height = number + 1
        for transaction_id, status in statuses:
            for future in self._transactions.get(transaction_id, ()):
                if not future.done():
                    future.set_result(status)
        self._wake()

    def _fail(self, failure: LedgerStoppedError) -> None:
        self._failure = failure
        self._failed.set()
        for waiting in self._transactions.values():
            for future in waiting:
                if not future.done():
                    future.set_exception(failure)
        self._wake()

    def _wake(self) -> None:
        for future in self._blocks:
            if not future.done():
                future.set_result(None)


def _settle(future: asyncio.Future[CommitStatus]) -> None:
    """A failure that nobody came to ask for is no news: without this, asyncio would report it."""
    if future.done() and not future.cancelled():
        future.exception()
    else:
        future.cancel()
