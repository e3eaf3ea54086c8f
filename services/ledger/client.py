"""What the other services use of the ledger, and what a program outside may: `LedgerClient`.

The flow is Fabric's, and each step is a call of its own: `propose` → `endorse` → `submit_transaction` →
`commit_status`. `submit` does all four; `evaluate` asks without writing. Somebody who holds their own key signs the
bytes of the proposal and of the transaction elsewhere, and the signatures are handed in.

One error a phase; the client repeats nothing by itself:

| raised by | error |
| --- | --- |
| `evaluate` | EvaluateError |
| `endorse` | EndorseError |
| `submit_transaction` | SubmitError |
| `commit_status` | CommitStatusError: whether the transaction was committed is not known |
| `submit` | all but the first, and CommitError: committed as invalid |
| each | LedgerUnavailableError: unreachable, silent, or at its limits |
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.peer import events_pb2_grpc, proposal_pb2, transaction_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from chaincode.api.errors import ContractError
from services.common.signer import Signer
from services.ledger import proposal as proposals
from services.ledger import seek
from services.ledger.proposal import Proposal, Transaction

_CONTRACT_ANSWER = "chaincode response "


class LedgerError(Exception):
    """A call failed. `reason` is the contract's word where one refused, else ""; `details` what the endorsers said."""

    def __init__(self, message: str, details: Sequence[str] = ()) -> None:
        refusal = _refusal(details or (message,))
        super().__init__(refusal.message if refusal else message)
        self.reason = refusal.reason if refusal else ""
        self.message = refusal.message if refusal else message
        self.details = tuple(details)


class EvaluateError(LedgerError):
    """The query failed."""


class EndorseError(LedgerError):
    """Too few organisations endorsed the proposal; nothing was written."""


class SubmitError(LedgerError):
    """The transaction was not accepted for ordering; nothing was written."""


class CommitStatusError(LedgerError):
    """The outcome could not be learnt; the transaction may have been committed."""


class CommitError(LedgerError):
    """The transaction is in a block and invalid: it changed nothing. `code` is Fabric's name, as MVCC_READ_CONFLICT."""

    def __init__(self, transaction_id: str, code: str, block_number: int) -> None:
        super().__init__(f"transaction {transaction_id} failed to commit with status {code}")
        self.transaction_id = transaction_id
        self.code = code
        self.block_number = block_number


class LedgerUnavailableError(LedgerError):
    """The ledger cannot be reached, did not answer in time, or is at its limits. `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Committed:
    """A transaction that is durable and valid, and what its contract's function returned."""

    transaction_id: str
    block_number: int
    result: bytes


@dataclass(frozen=True)
class ChaincodeEvent:
    """What a contract told with a transaction, which is durable and valid."""

    block_number: int
    transaction_id: str
    contract: str
    name: str
    payload: bytes


@dataclass(frozen=True)
class Deadlines:
    """Seconds that each call may take."""

    evaluate: float = 40.0
    endorse: float = 70.0
    submit: float = 10.0
    commit_status: float = 60.0


@dataclass(frozen=True)
class LedgerClient:
    """Calls the gateway of `channel` for the identity of `signer`. Safe to share between tasks."""

    channel: grpc.aio.Channel
    signer: Signer
    channel_id: str = "salus"
    deadlines: Deadlines = field(default_factory=Deadlines)
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    entropy: Callable[[int], bytes] = os.urandom

    def propose(
        self, contract: str, function: str, *args: bytes | str, transient: Mapping[str, bytes] | None = None
    ) -> Proposal:
        """Drafts a proposal of the signer. Nothing is sent."""
        return proposals.draft_proposal(
            self.channel_id,
            self.signer.serialized,
            contract,
            function,
            args,
            transient or {},
            self.entropy(proposals.NONCE_BYTES),
            self.clock(),
        )

    async def evaluate(
        self,
        contract: str,
        function: str,
        *args: bytes | str,
        transient: Mapping[str, bytes] | None = None,
        organisations: Sequence[str] = (),
    ) -> bytes:
        """Asks one organisation's contract: the first of `organisations` that answers, or one the ledger chooses."""
        proposal = self.propose(contract, function, *args, transient=transient)
        request = gateway_pb2.EvaluateRequest(
            transaction_id=proposal.transaction_id,
            channel_id=proposal.channel_id,
            proposed_transaction=self._signed(proposal, None),
            target_organizations=organisations,
        )
        response = await self._call("Evaluate", request, self.deadlines.evaluate, EvaluateError)
        return bytes(response.result.payload)

    async def endorse(
        self, proposal: Proposal, signature: bytes | None = None, organisations: Sequence[str] = ()
    ) -> Transaction:
        """Collects endorsements. `signature` is of `proposal.payload`, by its creator; without it, the signer signs.

        Without `organisations` the ledger chooses as many as the endorsement policies need.
        """
        request = gateway_pb2.EndorseRequest(
            transaction_id=proposal.transaction_id,
            channel_id=proposal.channel_id,
            proposed_transaction=self._signed(proposal, signature),
            endorsing_organizations=organisations,
        )
        response = await self._call("Endorse", request, self.deadlines.endorse, EndorseError)
        try:
            return proposals.parse_transaction(response.prepared_transaction.payload)
        except proposals.ProposalError as error:
            raise EndorseError(f"the ledger answered with no transaction: {error}") from None

    async def submit_transaction(self, transaction: Transaction, signature: bytes | None = None) -> None:
        """Hands the transaction in to be ordered. `signature` is of its payload; without it, the signer signs."""
        signature = signature if signature is not None else self.signer.sign(transaction.payload)
        request = gateway_pb2.SubmitRequest(
            transaction_id=transaction.transaction_id,
            channel_id=self.channel_id,
            prepared_transaction=proposals.envelope(transaction.payload, signature),
        )
        await self._call("Submit", request, self.deadlines.submit, SubmitError)

    async def commit_status(self, transaction_id: str, deadline: float | None = None) -> tuple[str, int]:
        """Waits until the transaction is in a block: the name of its validation code ("VALID" ...) and the block."""
        inner = gateway_pb2.CommitStatusRequest(
            transaction_id=transaction_id, channel_id=self.channel_id, identity=self.signer.serialized
        ).SerializeToString()
        request = gateway_pb2.SignedCommitStatusRequest(request=inner, signature=self.signer.sign(inner))
        limit = self.deadlines.commit_status if deadline is None else deadline
        response = await self._call("CommitStatus", request, limit, CommitStatusError)
        return transaction_pb2.TxValidationCode.Name(response.result), response.block_number

    async def submit(
        self,
        contract: str,
        function: str,
        *args: bytes | str,
        transient: Mapping[str, bytes] | None = None,
        organisations: Sequence[str] = (),
    ) -> Committed:
        """Writes: endorse, submit, and wait until the transaction is durable and valid."""
        proposal = self.propose(contract, function, *args, transient=transient)
        transaction = await self.endorse(proposal, organisations=organisations)
        await self.submit_transaction(transaction)
        code, block_number = await self.commit_status(transaction.transaction_id)
        if code != "VALID":
            raise CommitError(transaction.transaction_id, code, block_number)
        return Committed(transaction.transaction_id, block_number, transaction.result)

    async def blocks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[Any]:
        """Follows the ledger: every `common.Block` from `start` to `stop` inclusive, or for ever as they are committed.

        Raises LedgerUnavailableError when the stream breaks, LedgerError when the ledger refuses to deliver.
        """
        wanted, done = self._seek(start, stop), asyncio.Event()

        async def requests() -> AsyncIterator[Any]:
            yield wanted
            await done.wait()

        # Given as an iterator, a request that meets a refusal leaves the refusal to be read.
        stream = events_pb2_grpc.DeliverStub(self.channel).Deliver(requests())
        try:
            async for response in stream:
                if response.WhichOneof("Type") == "block":
                    yield response.block
                elif response.status == common_pb2.Status.SUCCESS:
                    return
                else:
                    raise LedgerError(f"the ledger delivers no blocks: {common_pb2.Status.Name(response.status)}")
        except grpc.aio.AioRpcError as error:
            raise _failure(error, LedgerError) from None
        finally:
            done.set()
            stream.cancel()

    async def chaincode_events(
        self, contract: str, start: int | None = None, after: str | None = None
    ) -> AsyncIterator[ChaincodeEvent]:
        """Follows the events of a contract's valid transactions, for ever, in the order of commits.

        From block `start` on, or from the next one, as of the first await. `after` is the transaction of the last event
        that was dealt with: what follows it comes, in its own block and later; `start` then counts only while the
        ledger does not know that transaction. Raises as `blocks` does.
        """
        inner = gateway_pb2.ChaincodeEventsRequest(
            channel_id=self.channel_id,
            chaincode_id=contract,
            identity=self.signer.serialized,
            start_position=None if start is None else seek.specified(start),
            after_transaction_id=after or "",
        ).SerializeToString()
        request = gateway_pb2.SignedChaincodeEventsRequest(request=inner, signature=self.signer.sign(inner))
        stream = gateway_pb2_grpc.GatewayStub(self.channel).ChaincodeEvents(request)
        try:
            async for response in stream:
                for each in response.events:
                    yield ChaincodeEvent(
                        response.block_number, each.tx_id, each.chaincode_id, each.event_name, each.payload
                    )
        except grpc.aio.AioRpcError as error:
            raise _failure(error, LedgerError) from None
        finally:
            stream.cancel()

    def _seek(self, start: int, stop: int | None) -> Any:
        nonce = self.entropy(proposals.NONCE_BYTES)
        payload = seek.draft(self.channel_id, self.signer.serialized, nonce, self.clock(), start, stop)
        return proposals.envelope(payload, self.signer.sign(payload))

    def _signed(self, proposal: Proposal, signature: bytes | None) -> Any:
        signature = signature if signature is not None else self.signer.sign(proposal.payload)
        return proposal_pb2.SignedProposal(proposal_bytes=proposal.payload, signature=signature)

    async def _call(self, method: str, request: Any, deadline: float, kind: type[LedgerError]) -> Any:
        stub = gateway_pb2_grpc.GatewayStub(self.channel)
        try:
            return await getattr(stub, method)(request, timeout=deadline)
        except grpc.aio.AioRpcError as error:
            raise _failure(error, kind) from None


def _failure(error: grpc.aio.AioRpcError, kind: type[LedgerError]) -> LedgerError:
    code, message = error.code(), error.details() or ""
    details, retry_after = _details(error)
    if code == grpc.StatusCode.UNAVAILABLE:
        return LedgerUnavailableError(f"the ledger cannot be reached: {message}", retry_after)
    if code == grpc.StatusCode.RESOURCE_EXHAUSTED and retry_after is not None:
        return LedgerUnavailableError("the ledger is at its limits", retry_after)
    if code == grpc.StatusCode.DEADLINE_EXCEEDED and kind is not CommitStatusError:
        return LedgerUnavailableError("the ledger did not answer in time")
    return kind(message, details)


def _details(error: grpc.aio.AioRpcError) -> tuple[list[str], float | None]:
    texts: list[str] = []
    retry_after: float | None = None
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # it has what a Call is asked for
    for detail in status.details if status is not None else ():
        found = gateway_pb2.ErrorDetail()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(found):
            texts.append(found.message)
        elif detail.Unpack(retry):
            retry_after = retry.retry_delay.ToTimedelta().total_seconds()
    return texts, retry_after


def _refusal(texts: Sequence[str]) -> ContractError | None:
    """The first answer of a contract among what the endorsers said: "chaincode response 500, REASON: message"."""
    for text in texts:
        _, found, answer = text.partition(_CONTRACT_ANSWER)
        _, comma, said = answer.partition(", ")
        if found and comma:
            refusal = ContractError.parse(said)
            return refusal if refusal.reason != "CONTRACT_FAILED" else ContractError("", said)
    return None
