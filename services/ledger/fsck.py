"""Checks a block store without changing it: every frame, and every block's place in the chain.

Found are: no blocks at all, any changed byte (each is under a checksum), missing or surplus bytes, blocks out of order,
a broken chain of header hashes, data that their header does not match, and validation codes that are not one a
transaction. Checksums and hashes only: who signed a block is checked with certificates, elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from services.ledger import blocks
from services.ledger.blockstore import (
    HEADER_BYTES,
    MAGIC,
    BlockStoreError,
    decode_frame,
    frame_header,
    segment_name,
    segments,
)


@dataclass(frozen=True)
class Damage:
    """`segment` is a file name, `offset` counts its bytes from 0, `block` is the one that is, or should be, there."""

    segment: str
    offset: int
    block: int
    what: str


def check(folder: Path) -> list[Damage]:
    """Everything that is wrong, in order; empty for a sound store. Raises OSError where the folder cannot be read."""
    checker = _Checker()
    damages: list[Damage] = []
    try:
        firsts = segments(folder)
    except BlockStoreError as error:
        return [Damage(segment_name(0), 0, 0, str(error))]
    if not firsts:
        # A ledger has its configuration in block 0 from its first start on.
        return [Damage(segment_name(0), 0, 0, "there are no blocks here")]
    for first in firsts:
        name = segment_name(first)
        if first != checker.number:
            damages.append(Damage(name, 0, first, f"the segment before it ends before block {checker.number}"))
            checker.skip_to(first)
        damages += checker.segment(name, (folder / name).read_bytes())
    return damages


class _Checker:
    def __init__(self) -> None:
        self.number = 0
        # None: unknown, since the block before is damaged.
        self._previous_hash: bytes | None = b""

    def skip_to(self, number: int) -> None:
        self.number, self._previous_hash = number, None

    def segment(self, name: str, data: bytes) -> Iterator[Damage]:
        offset = 0
        while offset < len(data):
            try:
                number, size = frame_header(data[offset : offset + HEADER_BYTES])
            except ValueError as error:
                yield Damage(name, offset, self.number, str(error))
                offset = _next_frame(data, offset + 1)
                # Where the search led to a frame, its number says how many blocks were passed over.
                if offset < len(data):
                    self.skip_to(frame_header(data[offset : offset + HEADER_BYTES])[0])
                continue
            if number != self.number:
                yield Damage(name, offset, number, f"block {self.number} belongs here")
                self.skip_to(number)
            if offset + size > len(data):
                yield Damage(name, offset, number, "incomplete frame")
                self.skip_to(number + 1)
                return
            try:
                block = decode_frame(data[offset : offset + size], name, offset, number)
            except BlockStoreError:
                yield Damage(name, offset, number, "checksum does not match")
                self.skip_to(number + 1)
            else:
                yield from (Damage(name, offset, number, what) for what in self._block(block))
            offset += size

    def _block(self, data: bytes) -> Iterator[str]:
        number, previous_hash = self.number, self._previous_hash
        self.skip_to(number + 1)
        try:
            block = common_pb2.Block.FromString(data)
        except DecodeError:
            yield "this is no common.Block"
            return
        self._previous_hash = blocks.header_hash(block.header)
        if block.header.number != number:
            yield f"the header says block {block.header.number}"
        if previous_hash is not None and block.header.previous_hash != previous_hash:
            yield "the previous hash is not that of the block before"
        if block.header.data_hash != blocks.data_hash(block.data.data):
            yield "the data hash does not match the transactions"
        if len(blocks.codes(block)) != len(block.data.data):
            yield "there is not one validation code for each transaction"


def _next_frame(data: bytes, offset: int) -> int:
    """Where the next sound frame header begins; the end of the data where there is none."""
    while (offset := data.find(MAGIC, offset)) >= 0:
        try:
            frame_header(data[offset : offset + HEADER_BYTES])
        except ValueError:
            offset += 1
        else:
            return offset
    return len(data)
