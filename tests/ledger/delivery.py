"""Seek requests and streams of `protos.Deliver`, for tests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import grpc.aio
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2_grpc

from services.common.signer import Signer
from services.ledger.proposal import envelope
from tests.ledger.running import REGULATOR, Running

OLDEST = ab_pb2.SeekPosition(oldest=ab_pb2.SeekOldest())
NEWEST = ab_pb2.SeekPosition(newest=ab_pb2.SeekNewest())
UNTIL_READY = ab_pb2.SeekInfo.SeekBehavior.BLOCK_UNTIL_READY
FAIL = ab_pb2.SeekInfo.SeekBehavior.FAIL_IF_NOT_READY


def at(number: int) -> Any:
    return ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=number))


def seek(
    signer: Signer,
    start: Any,
    stop: Any,
    *,
    behavior: int = FAIL,
    channel: str = "salus",
    sent: datetime | None = None,
    signature: bytes | None = None,
    **header: Any,
) -> Any:
    """A signed seek request; other arguments are fields of the channel header, or of SeekInfo."""
    content = {"content_type": header.pop("content_type", 0)}
    channel_header = common_pb2.ChannelHeader(
        type=common_pb2.HeaderType.DELIVER_SEEK_INFO, channel_id=channel, **header
    )
    channel_header.timestamp.FromDatetime(sent or datetime.now(UTC))
    payload = common_pb2.Payload(
        header=common_pb2.Header(
            channel_header=channel_header.SerializeToString(),
            signature_header=common_pb2.SignatureHeader(creator=signer.serialized, nonce=b"n").SerializeToString(),
        ),
        data=ab_pb2.SeekInfo(start=start, stop=stop, behavior=behavior, **content).SerializeToString(),
    ).SerializeToString()
    return envelope(payload, signer.sign(payload) if signature is None else signature)


class Stream:
    """One stream: of the audit service, unless somebody else is named."""

    def __init__(self, ledger: Running, msp_id: str = REGULATOR, name: str = "audit", method: str = "Deliver") -> None:
        self.signer = ledger.organisations.signer(msp_id, name)
        stub = events_pb2_grpc.DeliverStub(ledger.channel(msp_id, name))
        self.call = getattr(stub, method)(timeout=20)

    async def get(self, number: int) -> Any:
        """The response that holds this block, which is there."""
        await self.call.write(seek(self.signer, at(number), at(number)))
        response = await self.call.read()
        assert response.WhichOneof("Type") != "status", response
        assert (await self.call.read()).status == common_pb2.Status.SUCCESS
        return response

    async def ask(self, *requests: Any) -> list[Any]:
        """Numbers of blocks, and names of statuses, until the last request is answered."""
        answers: list[Any] = []
        for request in requests:
            await self.call.write(request)
            while (response := await self.call.read()) is not grpc.aio.EOF:
                if response.WhichOneof("Type") == "status":
                    answers.append(common_pb2.Status.Name(response.status))
                    break
                answers.append(response.block.header.number)
        return answers
