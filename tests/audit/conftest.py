"""Fixtures of the auditor's tests."""

from __future__ import annotations

import pytest

from tests.audit.ledger import RecordedLedger
from tests.organisations import Organisations


@pytest.fixture
def ledger(organisations: Organisations) -> RecordedLedger:
    return RecordedLedger(organisations)
