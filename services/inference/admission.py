"""How many questions the service takes in: a bound on those inside, and on the calls at work at one time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.inference.errors import OverloadedError

RETRY_AFTER = 1.0


class Admission:
    """At most `waiting` questions are inside, and `working` calls at work; the rest of those inside wait in order.

    A call brings 1 to 256 questions, and counts as many. `waiting` should be 256 or more, or no full batch gets in.
    """

    def __init__(self, waiting: int, working: int) -> None:
        self._free = waiting
        self._turn = asyncio.Semaphore(working)

    @asynccontextmanager
    async def admit(self, questions: int) -> AsyncIterator[None]:
        """Holds a place for a call. Raises OverloadedError at once where there is none."""
        if questions > self._free:
            raise OverloadedError(RETRY_AFTER)
        self._free -= questions
        try:
            async with self._turn:
                yield
        finally:
            self._free += questions
