"""What the auditor needs of the ledger: `Ledger`, and `GatewayLedger`, which asks through `LedgerClient`.

Private records are read as the auditor's organisation, a member of every collection of decisions. Every method raises
LedgerError where the ledger cannot be reached or refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Protocol

from chaincode.core import canonical
from services.ledger.client import EvaluateError, LedgerClient


class Ledger(Protocol):
    """The ledger as the follower and the export use it."""

    def blocks(self, start: int) -> AsyncIterator[Any]:
        """Every `common.Block` from `start` on, as they are committed."""

    async def item(self, organisation: str, decision_id: str) -> str | None:
        """The private record of a decision, verbatim; None where it is not there, or no longer."""

    async def card(self, model_id: str, version: str) -> str:
        """A model's card as registered, verbatim."""


class GatewayLedger:
    """`Ledger` over a gateway. Queries go to the auditor's own organisation."""

    def __init__(self, client: LedgerClient) -> None:
        self._client = client
        self._organisations = (client.signer.msp_id,)

    def blocks(self, start: int) -> AsyncIterator[Any]:
        return self._client.blocks(start)

    async def item(self, organisation: str, decision_id: str) -> str | None:
        try:
            payload = await self._client.evaluate(
                "decisions", "GetRecord", organisation, decision_id, organisations=self._organisations
            )
        except EvaluateError as error:
            # Without its cleartext a committed hash stays alone for good: the log must not wait for it.
            if error.reason in ("NOT_FOUND", "PRIVATE_DATA_UNAVAILABLE"):
                return None
            raise
        return payload.decode()

    async def card(self, model_id: str, version: str) -> str:
        payload = await self._client.evaluate("models", "Get", model_id, version, organisations=self._organisations)
        return str(canonical.decode(payload)["card"])
