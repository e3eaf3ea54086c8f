"""The block store: what the ledger must not lose. Append-only segment files in one folder.

A segment is named after its first block and holds frames, one a block:

    magic "SLB1" | block number, 8 bytes | length, 4 bytes | CRC-32 of these 16 bytes | common.Block | SHA-256 of it all

Integers are big-endian. Every byte of a segment is covered by a checksum. Rules:

1. `append` returns when the block is on disk: one fdatasync, and one of the folder where a segment begins.
2. A synchronisation or a write that fails poisons the store: what is on disk is unknown, and trying again could report
   success for pages that the kernel has dropped. The store has to be opened anew.
3. Opening cuts off an incomplete last frame of the last segment: the remains of an append that was never acknowledged.
   Everything else that is not right is refused; nothing is repaired.
4. Opening writes the last frame once more and synchronises it, before anybody reads it: whoever appended it may have
   been killed, or have failed, before it was on disk.
5. Opening reads the last segment whole. Earlier ones are checked as they are read, and by `fsck`.
6. One process at a time: the folder is locked.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import struct
import threading
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2
from google.protobuf.message import DecodeError

from services.ledger import blocks
from services.ledger.durable import make_folder, sync_folder

MAGIC = b"SLB1"
_FIELDS = struct.Struct(">4sQI")
_CRC = struct.Struct(">I")
HEADER_BYTES = _FIELDS.size + _CRC.size
DIGEST_BYTES = 32
SEGMENT_BYTES = 64 * 1024 * 1024
_NAME = re.compile(r"(\d{20})\.blocks")


class BlockStoreError(Exception):
    """The store cannot go on. Names segment, offset and block where it can."""


class BlockStore:
    """Appended to by one thread; read by any."""

    def __init__(
        self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES, sync: Callable[[int], None] = os.fdatasync
    ) -> None:
        """Opens the store, and makes an empty one where there is none. Raises BlockStoreError."""
        self._folder, self._segment_bytes, self._sync = folder, segment_bytes, sync
        make_folder(folder)
        self._lock_file = _lock(folder)
        self._reading = threading.Lock()
        self._failure = ""
        self._closed = False
        self._files: dict[int, int] = {}
        self._offsets: dict[int, list[int]] = {}
        self._last_hash = b""
        try:
            self._segments = segments(folder)
            self._height = self._open_last()
        except BaseException:
            self.close()
            raise

    @property
    def height(self) -> int:
        """The number of the block to come."""
        return self._height

    @property
    def last_header_hash(self) -> bytes:
        """What the block to come must hold as its previous hash; b"" for block 0."""
        return self._last_hash

    def append(self, block: Any) -> None:
        """Takes the next `common.Block`; on disk when this returns. Raises BlockStoreError, and from then on always."""
        if self._failure:
            raise BlockStoreError(f"the block store takes no more blocks since {self._failure}; restart the ledger")
        number = block.header.number
        if number != self._height or block.header.previous_hash != self._last_hash:
            raise BlockStoreError(f"block {number} does not follow the {self._height} blocks that are there")
        frame = encode_frame(number, block.SerializeToString())
        try:
            first = self._writable_segment(len(frame))
            end = self._end(first)
            _write_all(self._files[first], frame, end)
            self._sync(self._files[first])
        except OSError as error:
            self._failure = f"block {number} could not be written ({error.strerror})"
            raise BlockStoreError(f"block {number}: {error.strerror}") from error
        self._offsets[first].append(end + len(frame))
        self._last_hash = blocks.header_hash(block.header)
        self._height = number + 1

    def get(self, number: int) -> bytes:
        """The serialised block, verbatim as appended. Raises BlockStoreError, and KeyError where there is none."""
        if not 0 <= number < self._height:
            raise KeyError(number)
        first = self._segments[bisect_right(self._segments, number) - 1]
        offsets = self._index(first)
        start, end = offsets[number - first], offsets[number - first + 1]
        frame = os.pread(self._files[first], end - start, start)
        return decode_frame(frame, segment_name(first), start, number)

    def read(self, number: int) -> Any:
        """The `common.Block`. Raises as `get`."""
        data = self.get(number)
        try:
            return common_pb2.Block.FromString(data)
        except DecodeError:
            raise BlockStoreError(f"block {number} is no common.Block") from None

    def read_from(self, number: int) -> Iterator[bytes]:
        """The serialised blocks from `number` up to the height, also as it grows meanwhile."""
        while number < self._height:
            yield self.get(number)
            number += 1

    def close(self) -> None:
        """Releases the folder. Idempotent; nothing is left to write."""
        if self._closed:
            return
        self._closed = True
        self._failure = self._failure or "it was closed"
        for descriptor in self._files.values():
            os.close(descriptor)
        self._files.clear()
        os.close(self._lock_file)

    def _open_last(self) -> int:
        if not self._segments:
            return 0
        first = self._segments[-1]
        offsets = self._index(first, tail=True)
        self._settle(self._files[first], offsets)
        if len(self._segments) > 1:
            self._index(self._segments[-2])
        height = first + len(offsets) - 1
        self._height = height
        if height:
            self._last_hash = blocks.header_hash(self.read(height - 1).header)
        return height

    def _settle(self, descriptor: int, offsets: list[int]) -> None:
        """Makes sure that the last frame is on disk. After a failed synchronisation the kernel may hold pages for clean
        that it never wrote; written again, they are not."""
        if len(offsets) > 1:
            start, end = offsets[-2:]
            _write_all(descriptor, os.pread(descriptor, end - start, start), start)
        self._sync(descriptor)
        sync_folder(self._folder)

    def _index(self, first: int, *, tail: bool = False) -> list[int]:
        """Where each frame of the segment begins, and the last one ends."""
        with self._reading:
            if first not in self._offsets:
                descriptor = os.open(self._folder / segment_name(first), os.O_RDWR)
                self._files[first] = descriptor
                self._offsets[first] = self._scan(descriptor, first, tail=tail)
            return self._offsets[first]

    def _scan(self, descriptor: int, first: int, *, tail: bool) -> list[int]:
        name, size = segment_name(first), os.fstat(descriptor).st_size
        offsets, number = [0], first
        while (start := offsets[-1]) < size:
            header = os.pread(descriptor, HEADER_BYTES, start)
            end = start + frame_bytes(header, name, start, number) if len(header) == HEADER_BYTES else size + 1
            if end > size:
                if not tail:
                    raise BlockStoreError(f"segment {name}, offset {start}, block {number}: incomplete frame")
                os.ftruncate(descriptor, start)
                break
            if tail:
                decode_frame(os.pread(descriptor, end - start, start), name, start, number)
            offsets.append(end)
            number += 1
        if not tail and number != (following := self._segments[self._segments.index(first) + 1]):
            raise BlockStoreError(f"segment {name} ends before block {number}, the next begins with block {following}")
        return offsets

    def _end(self, first: int) -> int:
        return self._offsets[first][-1]

    def _writable_segment(self, size: int) -> int:
        if self._segments:
            last = self._segments[-1]
            if self._end(last) == 0 or self._end(last) + size <= self._segment_bytes:
                return last
        first = self._height
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
        self._files[first] = os.open(self._folder / segment_name(first), flags, 0o600)
        sync_folder(self._folder)
        self._offsets[first] = [0]
        self._segments.append(first)
        return first


def segment_name(first: int) -> str:
    """The file of the segment whose first block is `first`."""
    return f"{first:020}.blocks"


def segments(folder: Path) -> list[int]:
    """The first block of every segment, in order. Raises BlockStoreError where the first segment is missing."""
    found = sorted(int(match[1]) for path in folder.iterdir() if (match := _NAME.fullmatch(path.name)))
    if found and found[0] != 0:
        raise BlockStoreError(f"segment {segment_name(0)} is missing")
    return found


def encode_frame(number: int, data: bytes) -> bytes:
    """A block's frame."""
    fields = _FIELDS.pack(MAGIC, number, len(data))
    body = fields + _CRC.pack(zlib.crc32(fields)) + data
    return body + hashlib.sha256(body).digest()


def frame_header(header: bytes) -> tuple[int, int]:
    """The block and the length of the frame that begins with these HEADER_BYTES. Raises ValueError."""
    if len(header) < HEADER_BYTES:
        raise ValueError("incomplete frame")
    magic, number, length = _FIELDS.unpack_from(header)
    if magic != MAGIC or _CRC.unpack_from(header, _FIELDS.size)[0] != zlib.crc32(header[: _FIELDS.size]):
        raise ValueError("damaged frame header")
    return number, HEADER_BYTES + length + DIGEST_BYTES


def frame_bytes(header: bytes, segment: str, offset: int, number: int) -> int:
    """How long the frame of block `number` is that begins with these HEADER_BYTES. Raises BlockStoreError."""
    try:
        found, size = frame_header(header)
    except ValueError as error:
        raise BlockStoreError(f"segment {segment}, offset {offset}, block {number}: {error}") from None
    if found != number:
        raise BlockStoreError(f"segment {segment}, offset {offset}: block {found} stands where {number} belongs")
    return size


def decode_frame(frame: bytes, segment: str, offset: int, number: int) -> bytes:
    """The block in a whole frame. Raises BlockStoreError."""
    if len(frame) < HEADER_BYTES + DIGEST_BYTES or len(frame) != frame_bytes(frame, segment, offset, number):
        raise BlockStoreError(f"segment {segment}, offset {offset}, block {number}: incomplete frame")
    if hashlib.sha256(frame[:-DIGEST_BYTES]).digest() != frame[-DIGEST_BYTES:]:
        raise BlockStoreError(f"segment {segment}, offset {offset}, block {number}: checksum does not match")
    return frame[HEADER_BYTES:-DIGEST_BYTES]


def _lock(folder: Path) -> int:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise BlockStoreError(f"{folder} is in use by another process") from None
    return descriptor


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
