"""Fabric's seek requests: drafted for whoever follows the ledger, and their positions read. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2

NEVER = 2**64 - 1


class SeekError(ValueError):
    """The request names no range of blocks."""


def draft(channel_id: str, creator: bytes, nonce: bytes, sent: datetime, start: int, stop: int | None) -> bytes:
    """The payload that `creator` signs, for the blocks from `start` to `stop` inclusive, or for all to come."""
    header = common_pb2.ChannelHeader(type=common_pb2.HeaderType.DELIVER_SEEK_INFO, channel_id=channel_id)
    header.timestamp.FromDatetime(sent)
    info = ab_pb2.SeekInfo(
        start=specified(start),
        stop=specified(NEVER if stop is None else stop),
        behavior=ab_pb2.SeekInfo.SeekBehavior.BLOCK_UNTIL_READY,
    )
    payload = common_pb2.Payload(
        header=common_pb2.Header(
            channel_header=header.SerializeToString(),
            signature_header=common_pb2.SignatureHeader(creator=creator, nonce=nonce).SerializeToString(),
        ),
        data=info.SerializeToString(),
    )
    return bytes(payload.SerializeToString())


def specified(number: int) -> Any:
    """The `orderer.SeekPosition` of a block."""
    return ab_pb2.SeekPosition(specified=ab_pb2.SeekSpecified(number=number))


def bounds(info: Any, height: int) -> tuple[int, int]:
    """First and last block of an `orderer.SeekInfo`, at this height. Raises SeekError."""
    start = _position(info.start, height)
    # The newest block alone is one block, even where another is committed meanwhile.
    stop = _position(info.stop, height) if info.stop.WhichOneof("Type") != "oldest" else start
    if stop < start:
        raise SeekError("the stop is before the start")
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
            raise SeekError("a position is missing")
