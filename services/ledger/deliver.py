"""`protos.Deliver`: the blocks, past and to come, as Fabric's peers deliver them.

A client sends signed seek requests and gets, for each, the blocks it asked for and then a status. Checks in this order:
well-formed (BAD_REQUEST), channel (NOT_FOUND), time and binding to the TLS certificate (BAD_REQUEST), creator and
signature (FORBIDDEN), range (BAD_REQUEST). Any status but SUCCESS ends the stream. The creator's certificate is checked
again before each block, so a revocation ends a stream that runs.

Who may call at all is in `access.py`. Filtered blocks and private data are not delivered yet: UNIMPLEMENTED.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import grpc.aio
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2, events_pb2_grpc
from google.protobuf.message import DecodeError

from services.common.msp import Identity, IdentityError, Membership
from services.ledger.commits import CommitFeed, LedgerStoppedError

TIME_WINDOW = timedelta(minutes=15)
_STATUS = common_pb2.Status


class _RefusedError(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(_STATUS.Name(status))
        self.status = status


@dataclass(frozen=True)
class Seek:
    """A checked request: `start` to `stop`, inclusive. `wait`: for blocks to come; else they are NOT_FOUND."""

    creator: bytes
    start: int
    stop: int
    wait: bool
    headers_only: bool


class DeliverServicer(events_pb2_grpc.DeliverServicer):
    """The gRPC edge."""

    def __init__(
        self,
        channel_id: str,
        read: Callable[[int], Any],
        feed: CommitFeed,
        membership: Membership,
        clock: Callable[[], datetime],
    ) -> None:
        """`read` gives a committed `common.Block`."""
        self._channel_id = channel_id
        self._read = read
        self._feed = feed
        self._membership = membership
        self._clock = clock

    async def Deliver(self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        async for envelope in requests:
            try:
                seek = self._check(envelope, _tls_certificate_hash(context))
                async for block in self._follow(seek):
                    yield events_pb2.DeliverResponse(block=block)
            except _RefusedError as refusal:
                yield events_pb2.DeliverResponse(status=refusal.status)
                return
            yield events_pb2.DeliverResponse(status=_STATUS.SUCCESS)

    async def DeliverFiltered(self, requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "filtered blocks are not delivered yet")

    async def DeliverWithPrivateData(self, requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, "private data is not delivered yet")

    async def _follow(self, seek: Seek) -> AsyncIterator[Any]:
        for number in range(seek.start, seek.stop + 1):
            if number >= self._feed.height:
                if not seek.wait:
                    raise _RefusedError(_STATUS.NOT_FOUND)
                await self._wait(number)
            self._identify(seek.creator)
            block = await asyncio.to_thread(self._read, number)
            if seek.headers_only and not _is_config(block):
                block.ClearField("data")
            yield block

    async def _wait(self, number: int) -> None:
        try:
            await self._feed.block(number)
        except LedgerStoppedError:
            raise _RefusedError(_STATUS.SERVICE_UNAVAILABLE) from None

    def _check(self, envelope: Any, tls_certificate_hash: bytes) -> Seek:
        try:
            payload = common_pb2.Payload.FromString(envelope.payload)
            header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
            creator = common_pb2.SignatureHeader.FromString(payload.header.signature_header).creator
            info = ab_pb2.SeekInfo.FromString(payload.data)
            sent = header.timestamp.ToDatetime(tzinfo=UTC)
        except (DecodeError, ValueError, OverflowError):
            raise _RefusedError(_STATUS.BAD_REQUEST) from None
        if abs(self._clock() - sent) > TIME_WINDOW:
            raise _RefusedError(_STATUS.BAD_REQUEST)
        if header.tls_cert_hash and header.tls_cert_hash != tls_certificate_hash:
            raise _RefusedError(_STATUS.BAD_REQUEST)
        if header.channel_id != self._channel_id:
            raise _RefusedError(_STATUS.NOT_FOUND)
        try:
            self._identify(creator).verify(envelope.signature, envelope.payload)
        except IdentityError:
            raise _RefusedError(_STATUS.FORBIDDEN) from None
        start, stop = _range(info, self._feed.height)
        return Seek(
            creator=creator,
            start=start,
            stop=stop,
            wait=info.behavior == ab_pb2.SeekInfo.SeekBehavior.BLOCK_UNTIL_READY,
            headers_only=info.content_type == ab_pb2.SeekInfo.SeekContentType.HEADER_WITH_SIG,
        )

    def _identify(self, creator: bytes) -> Identity:
        try:
            return self._membership.identify_serialized(creator, self._clock())
        except IdentityError:
            raise _RefusedError(_STATUS.FORBIDDEN) from None


def _range(info: Any, height: int) -> tuple[int, int]:
    """First and last block of a request, at this height."""
    start = _position(info.start, height)
    # The newest block alone is one block, even where another is committed meanwhile.
    stop = _position(info.stop, height) if info.stop.WhichOneof("Type") != "oldest" else start
    if stop < start:
        raise _RefusedError(_STATUS.BAD_REQUEST)
    return start, stop


def _position(position: Any, height: int) -> int:
    match position.WhichOneof("Type"):
        case "oldest":
            return 0
        case "newest":
            return max(height - 1, 0)
        case "next_commit":
            return height
        case "specified":
            return int(position.specified.number)
        case _:
            raise _RefusedError(_STATUS.BAD_REQUEST)


def _is_config(block: Any) -> bool:
    try:
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload)
        kind = common_pb2.ChannelHeader.FromString(payload.header.channel_header).type
    except (DecodeError, IndexError):
        return False
    return bool(kind == common_pb2.HeaderType.CONFIG)


def _tls_certificate_hash(context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
    pem = next(iter(context.auth_context().get("x509_pem_cert", ())), None)
    if pem is None:
        return b""
    return hashlib.sha256(x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)).digest()
