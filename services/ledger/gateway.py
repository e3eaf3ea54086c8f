"""`gateway.Gateway`: how clients transact, as Fabric's peers offer it. `faults.py` lists what a call can end with.

Each call decodes, lets a worker thread do what takes time, and answers. Submit answers when the transaction waits to be
ordered; only CommitStatus says that it is durable. A transaction that is submitted twice is ordered twice, and the
second is invalid (DUPLICATE_TXID); the status of its id stays the first's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import grpc
import grpc.aio
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from services.common.msp import IdentityError, Membership
from services.ledger import commits
from services.ledger import proposal as proposals
from services.ledger.chaincode_events import ChaincodeEvents
from services.ledger.commits import CommitFeed, LedgerStoppedError
from services.ledger.endorsement import Endorsing
from services.ledger.faults import GatewayError, invalid
from services.ledger.orderer import Orderer, OrdererClosedError, OrdererFullError, TransactionTooLargeError
from services.ledger.readers import Readers
from services.ledger.tail import Tail
from services.ledger.workers import Workers, WorkersBusyError, WorkTimeoutError

_RETRY_SECONDS = 1.0
_Result = TypeVar("_Result")


class Gateway(gateway_pb2_grpc.GatewayServicer):
    """The gRPC edge. `committed` gives the status of a transaction that is in a block, else None."""

    def __init__(
        self,
        channel_id: str,
        endorsing: Endorsing,
        orderer: Orderer,
        feed: CommitFeed,
        committed: Callable[[str], commits.CommitStatus | None],
        tail: Tail,
        workers: Workers,
        membership: Membership,
        clock: Callable[[], datetime],
    ) -> None:
        self._channel_id = channel_id
        self._endorsing = endorsing
        self._orderer = orderer
        self._feed = feed
        self._committed = committed
        self._workers = workers
        self._membership = membership
        self._clock = clock
        self._readers = Readers(channel_id, membership, clock)
        self._events = ChaincodeEvents(self._readers, tail, committed)

    async def Evaluate(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            response = await self._work(
                self._endorsing.evaluate, request.proposed_transaction, tuple(request.target_organizations)
            )
        except GatewayError as error:
            return await _abort(context, error)
        return gateway_pb2.EvaluateResponse(
            result={"status": response.status, "message": response.message, "payload": response.payload}
        )

    async def Endorse(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            payload = await self._work(
                self._endorsing.endorse, request.proposed_transaction, tuple(request.endorsing_organizations)
            )
        except GatewayError as error:
            return await _abort(context, error)
        return gateway_pb2.EndorseResponse(prepared_transaction=common_pb2.Envelope(payload=payload))

    async def Submit(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            await self._submit(request)
        except GatewayError as error:
            return await _abort(context, error)
        return gateway_pb2.SubmitResponse()

    async def CommitStatus(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            status = await self._commit_status(request)
        except GatewayError as error:
            return await _abort(context, error)
        return gateway_pb2.CommitStatusResponse(result=status.code, block_number=status.block_number)

    async def ChaincodeEvents(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            async for response in self._events.follow(request, lambda: context.send_initial_metadata(())):
                yield response
        except GatewayError as error:
            await _abort(context, error)

    async def _submit(self, request: Any) -> None:
        if not request.HasField("prepared_transaction"):
            raise invalid("a prepared transaction is required")
        envelope = request.prepared_transaction
        if not envelope.signature:
            raise invalid("prepared transaction must be signed")
        if request.channel_id != self._channel_id:
            raise GatewayError(
                grpc.StatusCode.FAILED_PRECONDITION, f"failed to get config for channel [{request.channel_id[:64]}]"
            )
        self._check_envelope(envelope)
        try:
            self._orderer.order(envelope.SerializeToString())
        except TransactionTooLargeError as error:
            raise _refused("BAD_REQUEST", str(error)) from None
        except OrdererFullError as error:
            raise GatewayError(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error), retry_after=_RETRY_SECONDS) from None
        except OrdererClosedError:
            raise GatewayError(
                grpc.StatusCode.UNAVAILABLE, "no orderers could successfully process transaction"
            ) from None

    def _check_envelope(self, envelope: Any) -> None:
        """What Fabric's orderer checks before it orders, and that the id is the creator's own."""
        try:
            payload = common_pb2.Payload.FromString(envelope.payload)
            channel_header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
            signature_header = common_pb2.SignatureHeader.FromString(payload.header.signature_header)
        except DecodeError:
            raise _refused("BAD_REQUEST", "the envelope is malformed") from None
        if channel_header.channel_id != self._channel_id:
            raise _refused("BAD_REQUEST", f"channel {channel_header.channel_id[:64]} doesn't exist")
        if channel_header.type != common_pb2.HeaderType.ENDORSER_TRANSACTION:
            raise _refused("BAD_REQUEST", "message is of type that cannot be processed directly")
        if channel_header.tx_id != proposals.transaction_id(signature_header.nonce, signature_header.creator):
            raise _refused("BAD_REQUEST", "the transaction id is not that of its nonce and creator")
        try:
            creator = self._membership.identify_serialized(signature_header.creator, self._clock())
            creator.verify(envelope.signature, envelope.payload)
        except IdentityError:
            raise _refused("FORBIDDEN", "permission denied") from None

    async def _commit_status(self, signed: Any) -> commits.CommitStatus:
        if not signed.request:
            raise invalid("a commit status request is required")
        try:
            request = gateway_pb2.CommitStatusRequest.FromString(signed.request)
        except DecodeError:
            raise invalid("invalid status request") from None
        if not request.identity:
            raise invalid("no identity provided")
        if not request.channel_id:
            raise invalid("no channel ID provided")
        if not request.transaction_id:
            raise invalid("transaction ID should not be empty")
        self._readers.check(request.channel_id, request.identity, signed.signature, signed.request)
        with self._feed.transaction(request.transaction_id) as future:
            # Not in the event loop: while state's map grows, readers wait for contracts that run.
            status = await asyncio.to_thread(self._committed, request.transaction_id)
            if status is not None:
                return status
            try:
                return await future
            except LedgerStoppedError as error:
                raise GatewayError(grpc.StatusCode.UNAVAILABLE, str(error)) from None

    async def _work(self, function: Callable[..., _Result], *args: Any) -> _Result:
        try:
            return await self._workers.run(function, *args)
        except WorkersBusyError as error:
            raise GatewayError(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"the ledger is busy: {error}", retry_after=_RETRY_SECONDS
            ) from None
        except WorkTimeoutError:
            raise GatewayError(
                grpc.StatusCode.ABORTED, "error in simulation: timeout expired while executing transaction"
            ) from None


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: GatewayError) -> None:
    await context.abort_with_status(rpc_status.to_status(error.status()))


def _refused(status: str, information: str) -> GatewayError:
    return GatewayError(
        grpc.StatusCode.ABORTED,
        f"received unsuccessful response from orderer: status={status}, info={information}",
    )
