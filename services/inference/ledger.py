"""What a diagnosis needs of the ledger: `Ledger`, and `GatewayLedger`, which asks a gateway through its client.

Reads are of committed state. Nothing is durable before `outcome` says VALID. Every method raises
LedgerUnreachableError when the ledger cannot be reached or does not answer in time, and RecordRefusedError when it
answers and refuses; what else it raises, it says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from chaincode.core import batch, canonical
from chaincode.core import card as cards
from chaincode.core.batch import Batch, Item
from chaincode.core.card import Card
from chaincode.core.provision import Basis, Use, Verdict, actor_json
from services.inference.errors import LedgerUnreachableError, OutcomeUnknownError, RecordRefusedError
from services.ledger.client import CommitStatusError, EvaluateError, LedgerError, LedgerUnavailableError
from services.ledger.proposal import Proposal, Transaction

RETRY_AFTER = 1.0
VALID = "VALID"


@dataclass(frozen=True)
class RegisteredModel:
    """A version of a model as the contract `models` has it. `card_json` is verbatim, `proposed` an RFC 3339 time."""

    id: str
    version: str
    sha256: str
    status: str
    card_json: bytes
    card_sha256: str
    proposed: str

    @cached_property
    def card(self) -> Card:
        return cards.parse(canonical.decode(self.card_json))


@dataclass(frozen=True)
class Recorded:
    """A committed decision: the record with its salt and input, and where it lies."""

    item: Item
    transaction_id: str
    block_number: int


class Ledger(Protocol):
    """The ledger as `Diagnoser` and `Registry` use it."""

    async def model(self, model_id: str, version: str) -> RegisteredModel | None:
        """One version, or the deployed one where `version` is empty; None where there is none."""

    async def models(self) -> list[RegisteredModel]:
        """Every version of every model, ordered by id, then version."""

    async def consent(self, patient: str, use: Use) -> Verdict:
        """Whether the patient permits this use now."""

    async def recorded(self, organisation: str, decision_id: str) -> Recorded | None:
        """A decision of this organisation, once it is committed."""

    async def endorse(self, records: Batch) -> Transaction:
        """Has the organisations check and endorse the records. Raises RecordRefusedError with the contract's reason."""

    async def submit(self, transaction: Transaction) -> None:
        """Hands the transaction in. Raises OutcomeUnknownError where the ledger may have taken it without saying so."""

    async def outcome(self, transaction_id: str) -> tuple[str, int]:
        """Waits for the commit: Fabric's validation code and the block. Raises OutcomeUnknownError."""


class Client(Protocol):
    """The part of `services.ledger.client.LedgerClient` that `GatewayLedger` calls; it raises the same errors."""

    def propose(
        self, contract: str, function: str, *args: bytes | str, transient: Mapping[str, bytes] | None = None
    ) -> Proposal: ...

    async def evaluate(
        self,
        contract: str,
        function: str,
        *args: bytes | str,
        transient: Mapping[str, bytes] | None = None,
        organisations: Sequence[str] = (),
    ) -> bytes: ...

    async def endorse(
        self, proposal: Proposal, signature: bytes | None = None, organisations: Sequence[str] = ()
    ) -> Transaction: ...

    async def submit_transaction(self, transaction: Transaction, signature: bytes | None = None) -> None: ...

    async def commit_status(self, transaction_id: str, deadline: float | None = None) -> tuple[str, int]: ...


class GatewayLedger:
    """`Ledger` over a gateway. Queries go to the service's own organisation, whose collections it may read."""

    def __init__(self, client: Client, organisation: str) -> None:
        self._client = client
        self._organisation = organisation

    async def model(self, model_id: str, version: str) -> RegisteredModel | None:
        found = await self._find("models", "Get", model_id, version)
        return None if found is None else _model(found)

    async def models(self) -> list[RegisteredModel]:
        return [_model(each) for each in await self._evaluate("models", "List")]

    async def consent(self, patient: str, use: Use) -> Verdict:
        query = {
            "patient": patient,
            "actor": actor_json(use.actor),
            "data_class": use.data_class,
            "purpose": use.purpose,
            "model": use.model,
            "emergency_reason": use.emergency_reason,
        }
        found = await self._evaluate("consent", "Evaluate", canonical.encode(query))
        return Verdict(
            found["permitted"], Basis(found["basis"]), found["reason"], found["consent_id"], found["commitment"]
        )

    async def recorded(self, organisation: str, decision_id: str) -> Recorded | None:
        found = await self._find("decisions", "GetRecord", organisation, decision_id)
        if found is None:
            return None
        public = await self._evaluate("decisions", "Get", decision_id)
        try:
            _, block_number = await self.outcome(public["transaction_id"])
        except OutcomeUnknownError:
            raise LedgerUnreachableError(RETRY_AFTER) from None
        return Recorded(batch.parse_item(found), public["transaction_id"], block_number)

    async def endorse(self, records: Batch) -> Transaction:
        proposal = self._client.propose("decisions", "Record", transient={"batch": records.encode()})
        with _translated():
            return await self._client.endorse(proposal)

    async def submit(self, transaction: Transaction) -> None:
        try:
            with _translated():
                await self._client.submit_transaction(transaction)
        except LedgerUnreachableError as error:
            raise OutcomeUnknownError(transaction.transaction_id, error.retry_after or RETRY_AFTER) from None

    async def outcome(self, transaction_id: str) -> tuple[str, int]:
        try:
            return await self._client.commit_status(transaction_id)
        except (CommitStatusError, LedgerUnavailableError) as error:
            retry_after = getattr(error, "retry_after", None) or RETRY_AFTER
            raise OutcomeUnknownError(transaction_id, retry_after) from None

    async def _evaluate(self, contract: str, function: str, *args: bytes | str) -> Any:
        with _translated():
            payload = await self._client.evaluate(contract, function, *args, organisations=(self._organisation,))
        return canonical.decode(payload)

    async def _find(self, contract: str, function: str, *args: bytes | str) -> Any:
        """What a query answers, or None where the contract says NOT_FOUND."""
        try:
            return await self._evaluate(contract, function, *args)
        except RecordRefusedError as error:
            if error.reason == "NOT_FOUND":
                return None
            raise


@contextmanager
def _translated() -> Iterator[None]:
    """The client's errors as this service's."""
    try:
        yield
    except LedgerUnavailableError as error:
        raise LedgerUnreachableError(error.retry_after or RETRY_AFTER) from None
    except LedgerError as error:
        if error.reason:
            raise RecordRefusedError(error.reason, error.message) from None
        what = "the query" if isinstance(error, EvaluateError) else "the record"
        raise RecordRefusedError("LEDGER_REFUSED", f"the ledger refused {what}") from error


def _model(found: Mapping[str, Any]) -> RegisteredModel:
    return RegisteredModel(
        id=found["id"],
        version=found["version"],
        sha256=found["sha256"],
        status=found["status"],
        card_json=found["card"].encode(),
        card_sha256=found["card_sha256"],
        proposed=found["history"][0]["time"],
    )
