"""What the auditor reads of the ledger, and what it makes of the ledger's refusals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import pytest

from services.audit.ledger import GatewayLedger
from services.common.signer import Signer
from services.ledger.client import EvaluateError, LedgerClient

REGULATOR = "RegulatorMSP"


@dataclass
class RefusingClient:
    """A `LedgerClient` whose queries a contract refuses."""

    refusal: str
    signer: Signer

    async def evaluate(self, *args: Any, **options: Any) -> bytes:
        raise EvaluateError(f"evaluate call to endorser returned error: chaincode response 500, {self.refusal}")


def ledger(refusal: str) -> GatewayLedger:
    client = RefusingClient(refusal, Signer(REGULATOR, b"", lambda message: b""))
    return GatewayLedger(cast(LedgerClient, client))


@pytest.mark.parametrize("refusal", ["NOT_FOUND: no such record", "PRIVATE_DATA_UNAVAILABLE: only its hash is here"])
async def test_a_record_that_is_not_there_holds_nothing_up(refusal: str) -> None:
    assert await ledger(refusal).item("HospitalAMSP", "id") is None


async def test_a_record_that_the_auditor_may_not_see_is_an_error() -> None:
    with pytest.raises(EvaluateError) as caught:
        await ledger("NOT_A_MEMBER: RegulatorMSP is no member").item("HospitalAMSP", "id")
    assert caught.value.reason == "NOT_A_MEMBER"
