"""Fixtures of the ledger's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.ledger.running import Running, running
from tests.organisations import Organisations


@pytest.fixture
async def ledger(organisations: Organisations) -> AsyncIterator[Running]:
    """A fresh ledger with the sample contracts, serving."""
    async with running(organisations) as served:
        yield served
