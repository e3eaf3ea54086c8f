"""`protos.Deliver`: the blocks, past and to come, as Fabric's peers deliver them.

A client sends signed seek requests and gets, for each, the blocks it asked for and then a status. Checks in this order:
well-formed (BAD_REQUEST), channel (NOT_FOUND), time and binding to the TLS certificate (BAD_REQUEST), creator and
signature (FORBIDDEN), range (BAD_REQUEST). Any status but SUCCESS ends the stream. The creator's certificate is checked
again before each block, so a revocation ends a stream that runs.

Who may call at all is in `access.py`, what private data they get in `disclosure.py`.
"""

from __future__ import annotations

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

from services.common.msp import Identity, IdentityError
from services.ledger import events, rwset
from services.ledger.commits import LedgerStoppedError
from services.ledger.disclosure import Disclosure
from services.ledger.seek import SeekError, bounds
from services.ledger.tail import BlockNotReadyError, Tail

TIME_WINDOW = timedelta(minutes=15)
_STATUS = common_pb2.Status
# What a block becomes for its requester: a `protos.DeliverResponse`.
Form = Callable[[Any, Identity], Any]


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

    def __init__(self, channel_id: str, tail: Tail, disclosure: Disclosure, clock: Callable[[], datetime]) -> None:
        self._channel_id = channel_id
        self._tail = tail
        self._disclosure = disclosure
        self._clock = clock

    def Deliver(self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]) -> AsyncIterator[Any]:
        return self._deliver(requests, context, self._whole)

    def DeliverFiltered(
        self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        return self._deliver(requests, context, self._filtered)

    def DeliverWithPrivateData(
        self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        return self._deliver(requests, context, self._with_private_data)

    async def _deliver(
        self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any], form: Form
    ) -> AsyncIterator[Any]:
        async for envelope in requests:
            try:
                seek = self._check(envelope, _tls_certificate_hash(context))
                async for response in self._follow(seek, form):
                    yield response
            except _RefusedError as refusal:
                yield events_pb2.DeliverResponse(status=refusal.status)
                return
            yield events_pb2.DeliverResponse(status=_STATUS.SUCCESS)

    async def _follow(self, seek: Seek, form: Form) -> AsyncIterator[Any]:
        def view(block: Any, requester: Identity) -> Any:
            if seek.headers_only and not _is_config(block):
                block.ClearField("data")
            return form(block, requester)

        try:
            async for response in self._tail.follow(seek.creator, seek.start, seek.stop, view, wait=seek.wait):
                yield response
        except BlockNotReadyError:
            raise _RefusedError(_STATUS.NOT_FOUND) from None
        except LedgerStoppedError:
            raise _RefusedError(_STATUS.SERVICE_UNAVAILABLE) from None
        except IdentityError:
            raise _RefusedError(_STATUS.FORBIDDEN) from None

    def _whole(self, block: Any, _: Identity) -> Any:
        return events_pb2.DeliverResponse(block=block)

    def _filtered(self, block: Any, _: Identity) -> Any:
        return events_pb2.DeliverResponse(filtered_block=events.filtered(block))

    def _with_private_data(self, block: Any, requester: Identity) -> Any:
        response = events_pb2.DeliverResponse(block_and_private_data={"block": block})
        private = response.block_and_private_data.private_data_map
        for place, collections in self._disclosure.of(block, requester).items():
            private[place].ParseFromString(rwset.encode_private(collections))
        return response

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
            self._tail.identify(creator).verify(envelope.signature, envelope.payload)
        except IdentityError:
            raise _RefusedError(_STATUS.FORBIDDEN) from None
        try:
            start, stop = bounds(info, self._tail.height)
        except SeekError:
            raise _RefusedError(_STATUS.BAD_REQUEST) from None
        return Seek(
            creator=creator,
            start=start,
            stop=stop,
            wait=info.behavior == ab_pb2.SeekInfo.SeekBehavior.BLOCK_UNTIL_READY,
            headers_only=info.content_type == ab_pb2.SeekInfo.SeekContentType.HEADER_WITH_SIG,
        )


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
