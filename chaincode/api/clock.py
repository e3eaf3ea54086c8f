"""The client chooses a transaction's time; an endorser only signs what its own clock agrees with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from chaincode.api.errors import ContractError

Clock = Callable[[], datetime]
MAX_SKEW = timedelta(minutes=5)


def system_clock() -> datetime:
    """This machine's clock, UTC: what a contract is given unless it is given another."""
    return datetime.now(UTC)


def check(time: datetime, now: datetime) -> None:
    """Raises `ContractError` (STALE_TIMESTAMP) where `time` is more than five minutes from the endorser's clock."""
    if abs(now - time) > MAX_SKEW:
        raise ContractError("STALE_TIMESTAMP", "the transaction's time is over 5 minutes from the endorser's clock")
