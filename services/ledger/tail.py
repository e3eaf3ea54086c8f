"""Committed blocks in order, and then those to come: what every protocol that follows the ledger is made of.

Before each block: it is committed, and the certificate of whoever asked holds now. So a revocation ends what runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any, TypeVar

from services.common.msp import Identity, Membership
from services.ledger.commits import CommitFeed

_View = TypeVar("_View")


class BlockNotReadyError(Exception):
    """The block is not committed yet, and whoever asked does not wait."""


class Tail:
    """Belongs to the event loop of `feed`. `read` gives a committed `common.Block`."""

    def __init__(
        self, read: Callable[[int], Any], feed: CommitFeed, membership: Membership, clock: Callable[[], datetime]
    ) -> None:
        self._read = read
        self._feed = feed
        self._membership = membership
        self._clock = clock

    @property
    def height(self) -> int:
        """The number of the next block."""
        return self._feed.height

    def identify(self, creator: bytes) -> Identity:
        """Raises IdentityError where this identity does not hold now."""
        return self._membership.identify_serialized(creator, self._clock())

    async def follow(
        self,
        creator: bytes,
        start: int,
        stop: int | None,
        view: Callable[[Any, Identity], _View],
        *,
        wait: bool = True,
    ) -> AsyncIterator[_View]:
        """`view` of each block from `start` to `stop` inclusive, or for ever; it runs in a thread, one block at a time.

        Raises IdentityError, LedgerStoppedError, and without `wait` BlockNotReadyError at the ledger's end.
        """
        number = start
        while stop is None or number <= stop:
            if number >= self._feed.height:
                if not wait:
                    raise BlockNotReadyError(f"block {number} is not committed yet")
                await self._feed.block(number)
            identity = self.identify(creator)
            yield await asyncio.to_thread(self._look, number, identity, view)
            number += 1

    def _look(self, number: int, identity: Identity, view: Callable[[Any, Identity], _View]) -> _View:
        return view(self._read(number), identity)
