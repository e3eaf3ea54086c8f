"""`gateway.Gateway/ChaincodeEvents`: the events of a contract, past and to come (internal/pkg/gateway).

Checks in this order: well-formed (INVALID_ARGUMENT), channel, member and signature (PERMISSION_DENIED), start position
(INVALID_ARGUMENT). The stream starts with the block of the transaction after which events are asked for, where that is
committed; else with the block that is named, or with the next one. Blocks without such an event are passed over in
silence, so response headers go out as soon as the start is known: what is committed from then on will be seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from fabric_protos.gateway import gateway_pb2
from google.protobuf.message import DecodeError

from services.common.msp import IdentityError
from services.ledger.commits import CommitStatus, LedgerStoppedError
from services.ledger.events import EventFilter
from services.ledger.faults import GatewayError, invalid
from services.ledger.readers import Readers, refused_reader
from services.ledger.tail import Tail


class ChaincodeEvents:
    """`committed` gives the status of a transaction that is in a block, else None."""

    def __init__(self, readers: Readers, tail: Tail, committed: Callable[[str], CommitStatus | None]) -> None:
        self._readers = readers
        self._tail = tail
        self._committed = committed

    async def follow(self, signed: Any, started: Callable[[], Awaitable[None]]) -> AsyncIterator[Any]:
        """A `gateway.ChaincodeEventsResponse` for each block with events, for ever. `started` is awaited once the start
        is known. Raises GatewayError."""
        request = self._check(signed)
        start = await self._start(request)
        await started()
        wanted = EventFilter(request.chaincode_id, request.after_transaction_id)
        try:
            views = self._tail.follow(
                request.identity, start, None, lambda block, _: (block.header.number, wanted.of(block))
            )
            async for number, events in views:
                if events:
                    yield gateway_pb2.ChaincodeEventsResponse(block_number=number, events=events)
        except IdentityError as error:
            raise refused_reader(error) from None
        except LedgerStoppedError as error:
            raise GatewayError(grpc.StatusCode.UNAVAILABLE, str(error)) from None

    def _check(self, signed: Any) -> Any:
        if not signed.request:
            raise invalid("a chaincode events request is required")
        try:
            request = gateway_pb2.ChaincodeEventsRequest.FromString(signed.request)
        except DecodeError:
            raise invalid("invalid chaincode events request") from None
        self._readers.check(request.channel_id, request.identity, signed.signature, signed.request)
        return request

    async def _start(self, request: Any) -> int:
        if request.after_transaction_id:
            # Not in the event loop: while state's map grows, readers wait for contracts that run.
            status = await asyncio.to_thread(self._committed, request.after_transaction_id)
            if status is not None:
                return status.block_number
        match request.start_position.WhichOneof("Type"):
            case "specified":
                return int(request.start_position.specified.number)
            case None | "next_commit":
                return self._tail.height
            case other:
                raise invalid(f"invalid start position type: *orderer.SeekPosition_{other.capitalize()}")
