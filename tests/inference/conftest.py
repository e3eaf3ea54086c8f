"""Fixtures of the inference service's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.inference.site import Site, site_of
from tests.inference.world import World
from tests.organisations import Organisations


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
async def site(organisations: Organisations) -> AsyncIterator[Site]:
    async with site_of(organisations) as started:
        yield started
