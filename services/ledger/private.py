"""Private data that blocks do not hold: the cleartext of collections. Durable in its own right, apart from state.

Two lives. From its endorsement on, a transaction's cleartext is staged under its id. With its block it becomes the
block's. A block's cleartext is written before the block is appended, so whatever stands at or above the block store's
height belongs to an append that never happened: `recover` drops it. Staged data are dropped one block late for the same
reason: only a following block proves that the former is there.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import lmdb

from services.ledger import rwset
from services.ledger.environment import MAP_BYTES, MAX_KEY_BYTES, Environment
from services.ledger.rwset import PrivateCollection

_PLACE = struct.Struct(">QI")
_NUMBER = struct.Struct(">Q")
_DIGEST_BYTES = 32

BlockPrivate = Mapping[int, Sequence[PrivateCollection]]


class PrivateStore(Protocol):
    """Cleartext by transaction id, then by block and place in it."""

    @property
    def height(self) -> int:
        """One more than the newest block that something was put for: that block may not have been appended."""

    def stage(self, transaction_id: str, data: bytes, height: int) -> None:
        """Keeps a serialised `rwset.TxPvtReadWriteSet`, endorsed at this height. On disk when this returns."""

    def staged(self, transaction_id: str) -> list[bytes]:
        """Everything that was staged under this id; organisations whose results differ have staged different data."""

    def put(self, number: int, collections: BlockPrivate, finished: Iterable[str]) -> None:
        """Keeps what belongs to block `number`, by place, on disk when this returns. Call it before the block is
        appended. `finished`: every transaction of the block, valid or not; their staged data go with a later block."""

    def get(self, number: int) -> BlockPrivate:
        """What belongs to a block."""

    def recover(self, height: int) -> None:
        """Drops what belongs to blocks from `height` on, which are not there."""

    def expire(self, height: int) -> int:
        """Drops what was staged before this height and never came back in a block; answers how many."""

    def close(self) -> None: ...


class LmdbPrivateStore:
    """`PrivateStore` in an LMDB environment of its own."""

    def __init__(self, folder: Path, *, map_bytes: int = MAP_BYTES) -> None:
        """Raises lmdb.Error where the files cannot be used: nothing can rebuild them."""
        databases = ("staged", "committed", "finished")
        self._environment = Environment(folder, databases, durable=True, map_bytes=map_bytes)

    @property
    def height(self) -> int:
        with self._environment.read() as transaction:
            newest = (_last(transaction, self._environment[name]) for name in ("committed", "finished"))
            return max(0 if key is None else _PLACE.unpack(key)[0] + 1 for key in newest)

    def stage(self, transaction_id: str, data: bytes, height: int) -> None:
        key = _staged_prefix(transaction_id) + hashlib.sha256(data).digest()
        database = self._environment["staged"]
        with self._environment.read() as transaction:
            if transaction.get(key, db=database) is not None:
                return
        self._environment.write(lambda writing: writing.put(key, _NUMBER.pack(height) + data, db=database))

    def staged(self, transaction_id: str) -> list[bytes]:
        prefix = _staged_prefix(transaction_id)
        with self._environment.read() as transaction:
            found = _starting_with(transaction, self._environment["staged"], prefix)
            return [value[_NUMBER.size :] for _, value in found]

    def put(self, number: int, collections: BlockPrivate, finished: Iterable[str]) -> None:
        done = [transaction_id for transaction_id in finished if self.staged(transaction_id)]
        if not done and not any(collections.values()):
            return

        def work(transaction: lmdb.Transaction) -> None:
            self._drop_finished(transaction, number)
            for place, each in collections.items():
                if each:
                    data = rwset.encode_private(each)
                    transaction.put(_PLACE.pack(number, place), data, db=self._environment["committed"])
            for order, transaction_id in enumerate(done):
                key = _PLACE.pack(number, order)
                transaction.put(key, transaction_id.encode(), db=self._environment["finished"])

        self._environment.write(work)

    def get(self, number: int) -> BlockPrivate:
        with self._environment.read() as transaction:
            found = _starting_with(transaction, self._environment["committed"], _NUMBER.pack(number))
            return {_PLACE.unpack(key)[1]: rwset.parse_private(value) for key, value in found}

    def recover(self, height: int) -> None:
        def work(transaction: lmdb.Transaction) -> None:
            for name in ("committed", "finished"):
                database = self._environment[name]
                for key in list(_from(transaction, database, _NUMBER.pack(height))):
                    transaction.delete(key, db=database)
            self._drop_finished(transaction, height)

        self._environment.write(work)

    def expire(self, height: int) -> int:
        database = self._environment["staged"]
        with self._environment.read() as transaction:
            found = _starting_with(transaction, database, b"")
            old = [key for key, value in found if _NUMBER.unpack_from(value)[0] < height]
        if old:
            self._environment.write(lambda writing: [writing.delete(key, db=database) for key in old])
        return len(old)

    def close(self) -> None:
        self._environment.close()

    def _drop_finished(self, transaction: lmdb.Transaction, number: int) -> None:
        """Drops what was staged for transactions of blocks before `number`, which are appended."""
        finished, staged = self._environment["finished"], self._environment["staged"]
        for key, transaction_id in list(_starting_with(transaction, finished, b"")):
            if _PLACE.unpack(key)[0] >= number:
                break
            for each, _ in list(_starting_with(transaction, staged, _staged_prefix(transaction_id.decode()))):
                transaction.delete(each, db=staged)
            transaction.delete(key, db=finished)


def _staged_prefix(transaction_id: str) -> bytes:
    prefix = transaction_id.encode() + b"\x00"
    if len(prefix) + _DIGEST_BYTES > MAX_KEY_BYTES:
        raise ValueError("the transaction id is too long")
    return prefix


def _starting_with(transaction: lmdb.Transaction, database: Any, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    with transaction.cursor(db=database) as cursor:
        found = cursor.set_range(prefix) if prefix else cursor.first()
        while found and (key := bytes(cursor.key())).startswith(prefix):
            yield key, bytes(cursor.value())
            found = cursor.next()


def _last(transaction: lmdb.Transaction, database: Any) -> bytes | None:
    with transaction.cursor(db=database) as cursor:
        return bytes(cursor.key()) if cursor.last() else None


def _from(transaction: lmdb.Transaction, database: Any, start: bytes) -> Iterator[bytes]:
    with transaction.cursor(db=database) as cursor:
        found = cursor.set_range(start)
        while found:
            yield bytes(cursor.key())
            found = cursor.next()
