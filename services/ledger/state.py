"""World state, history and the indexes of transactions and blocks: everything that blocks and private data determine.

`StateStore` is what the ledger needs; `LmdbState` keeps it. State is derived: it may be lost, and is then rebuilt by
`recovery.catch_up`. That is why commits here are not synchronised with the disk. A killed process loses nothing (the
kernel has the pages); after a crash of the machine the files are not to be trusted, are recognised by the boot that
wrote them, and are dropped.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import lmdb

from services.ledger.durable import sync_folder
from services.ledger.environment import MAP_BYTES, MAX_KEY_BYTES, Environment
from services.ledger.rwset import Version
from services.ledger.updates import UNPROVEN, BlockUpdates, Modification, Write

# State of another format is dropped, and rebuilt from the blocks. 2: blocks by hash.
_FORMAT = b"2"
_DATABASES = ("meta", "public", "hashes", "private", "history", "transactions", "blocks")
_VERSION = struct.Struct(">QI")
_ENTRY = struct.Struct(">QIB")
_MODIFICATION = struct.Struct(">?qH")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Versioned(NamedTuple):
    """A committed value, or the hash of one, and the transaction that wrote it."""

    value: bytes
    version: Version


class Entry(NamedTuple):
    """A key of a range, its value and version."""

    key: str
    value: bytes
    version: Version


class TransactionStatus(NamedTuple):
    """Where a transaction is, and its `protos.TxValidationCode`."""

    block: int
    place: int
    code: int


class Snapshot(Protocol):
    """State as of one block. Used by one thread at a time; ranges are half-open, an empty end is open."""

    @property
    def height(self) -> int:
        """How many blocks are in it."""

    @property
    def commit_hash(self) -> bytes:
        """That of the last block."""

    def get(self, namespace: str, key: str) -> Versioned | None: ...

    def range(self, namespace: str, start: str, end: str) -> Iterator[Entry]: ...

    def get_private(self, namespace: str, collection: str, key: str) -> Versioned | None:
        """Cleartext. None also where only the hash is known."""

    def range_private(self, namespace: str, collection: str, start: str, end: str) -> Iterator[Entry]: ...

    def get_hash(self, namespace: str, collection: str, key_hash: bytes) -> Versioned | None:
        """The SHA-256 of a private value, by that of its key."""

    def history(self, namespace: str, key: str) -> Iterator[Modification]:
        """Every committed write of a public key, newest first."""

    def transaction(self, transaction_id: str) -> TransactionStatus | None:
        """The first transaction with this id."""

    def block(self, header_hash: bytes) -> int | None:
        """The number of the block whose header has this hash."""


class StateStore(Protocol):
    """Versioned state. One thread applies; any reads."""

    @property
    def height(self) -> int:
        """The savepoint: how many blocks are applied."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """State as it is now, whatever is applied meanwhile. Do not apply in a thread that holds one."""

    def transaction(self, transaction_id: str) -> TransactionStatus | None:
        """`Snapshot.transaction` as of now."""

    def apply(self, updates: BlockUpdates) -> None:
        """Applies the next block, savepoint included, whole or not at all; visible, not durable, on return."""

    def close(self) -> None: ...


class StateError(Exception):
    """State cannot be used."""


class LmdbState:
    """`StateStore` in one LMDB environment."""

    def __init__(self, folder: Path, *, map_bytes: int = MAP_BYTES) -> None:
        """Opens the state in `folder`; what is not to be trusted is dropped, and the height is then 0."""
        self._folder = folder
        self._boot = folder / "boot"
        boot = _boot_id()
        if self._boot.exists() and (not boot or self._boot.read_text() != boot):
            _drop(folder)
        try:
            self._environment = self._open(map_bytes)
        except (lmdb.InvalidError, lmdb.CorruptedError, lmdb.VersionMismatchError):
            _drop(folder)
            self._environment = self._open(map_bytes)
        with self._environment.read() as transaction:
            known = transaction.get(b"format", db=self._environment["meta"])
        if known not in (None, _FORMAT):
            self._environment.close()
            _drop(folder)
            self._environment = self._open(map_bytes)
        # Unclean until closed.
        _write_synchronised(self._boot, boot)
        with self._environment.read() as transaction:
            self._height = _Snapshot(transaction, self._environment).height

    @property
    def height(self) -> int:
        return self._height

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        with self._environment.read() as transaction:
            yield _Snapshot(transaction, self._environment)

    def transaction(self, transaction_id: str) -> TransactionStatus | None:
        with self.snapshot() as snapshot:
            return snapshot.transaction(transaction_id)

    def apply(self, updates: BlockUpdates) -> None:
        if updates.number != self._height:
            raise StateError(f"block {updates.number} does not follow the {self._height} that are applied")
        self._environment.write(lambda transaction: self._write(transaction, updates))
        self._height = updates.number + 1

    def close(self) -> None:
        """Everything is on disk when this returns."""
        self._environment.sync()
        self._environment.close()
        self._boot.unlink(missing_ok=True)

    def _open(self, map_bytes: int) -> Environment:
        return Environment(self._folder, _DATABASES, durable=False, map_bytes=map_bytes)

    def _write(self, transaction: lmdb.Transaction, updates: BlockUpdates) -> None:
        databases = self._environment
        for namespace, public in updates.public.items():
            prefix = _prefix(namespace)
            _put_all(transaction, databases["public"], ((prefix + key.encode(), each) for key, each in public.items()))
        for (namespace, collection), hashes in updates.hashes.items():
            prefix = _prefix(namespace, collection)
            _put_all(transaction, databases["hashes"], ((prefix + key, each) for key, each in hashes.items()))
        for (namespace, collection), private in updates.private.items():
            prefix = _prefix(namespace, collection)
            entries = ((prefix + key.encode(), each) for key, each in private.items())
            _put_all(transaction, databases["private"], entries)
        for each in updates.history:
            key = _history_prefix(each.namespace, each.key) + _VERSION.pack(*each.version)
            transaction.put(key, _encode_modification(each), db=databases["history"])
        for entry in updates.transactions:
            _put_transaction(transaction, databases["transactions"], entry.transaction_id, (updates.number, *entry[1:]))
        if updates.header_hash:
            transaction.put(updates.header_hash, updates.number.to_bytes(8, "big"), db=databases["blocks"])
        meta = databases["meta"]
        transaction.put(b"format", _FORMAT, db=meta)
        transaction.put(b"commit_hash", updates.commit_hash, db=meta)
        transaction.put(b"height", (updates.number + 1).to_bytes(8, "big"), db=meta)


class _Snapshot:
    def __init__(self, transaction: lmdb.Transaction, databases: Environment) -> None:
        self._transaction, self._databases = transaction, databases

    @property
    def height(self) -> int:
        return int.from_bytes(bytes(self._transaction.get(b"height", b"", db=self._databases["meta"])), "big")

    @property
    def commit_hash(self) -> bytes:
        return bytes(self._transaction.get(b"commit_hash", b"", db=self._databases["meta"]))

    def get(self, namespace: str, key: str) -> Versioned | None:
        return self._get("public", _prefix(namespace) + key.encode())

    def range(self, namespace: str, start: str, end: str) -> Iterator[Entry]:
        return self._range("public", _prefix(namespace), start, end)

    def get_private(self, namespace: str, collection: str, key: str) -> Versioned | None:
        return self._get("private", _prefix(namespace, collection) + key.encode())

    def range_private(self, namespace: str, collection: str, start: str, end: str) -> Iterator[Entry]:
        return self._range("private", _prefix(namespace, collection), start, end)

    def get_hash(self, namespace: str, collection: str, key_hash: bytes) -> Versioned | None:
        return self._get("hashes", _prefix(namespace, collection) + key_hash)

    def history(self, namespace: str, key: str) -> Iterator[Modification]:
        prefix = _history_prefix(namespace, key)
        if len(prefix) + _VERSION.size > MAX_KEY_BYTES:
            return
        with self._transaction.cursor(db=self._databases["history"]) as cursor:
            # The last that starts with the prefix: the one before the first that comes after all of them.
            found = cursor.prev() if cursor.set_range(prefix + b"\xff" * _VERSION.size) else cursor.last()
            while found and (at := bytes(cursor.key())).startswith(prefix):
                version = Version(*_VERSION.unpack(at[len(prefix) :]))
                yield _decode_modification(namespace, key, version, bytes(cursor.value()))
                found = cursor.prev()

    def transaction(self, transaction_id: str) -> TransactionStatus | None:
        key = transaction_id.encode(errors="replace")
        if not 0 < len(key) <= MAX_KEY_BYTES:
            return None
        value = self._transaction.get(key, db=self._databases["transactions"])
        return None if value is None else TransactionStatus(*_ENTRY.unpack(value))

    def block(self, header_hash: bytes) -> int | None:
        if not 0 < len(header_hash) <= MAX_KEY_BYTES:
            return None
        value = self._transaction.get(header_hash, db=self._databases["blocks"])
        return None if value is None else int.from_bytes(bytes(value), "big")

    def _get(self, database: str, key: bytes) -> Versioned | None:
        # Nothing longer was ever written.
        if len(key) > MAX_KEY_BYTES:
            return None
        value = self._transaction.get(key, db=self._databases[database])
        return None if value is None else _decode(bytes(value))

    def _range(self, database: str, prefix: bytes, start: str, end: str) -> Iterator[Entry]:
        first, last = prefix + start.encode(), prefix + end.encode() if end else None
        with self._transaction.cursor(db=self._databases[database]) as cursor:
            found = cursor.set_range(first[:MAX_KEY_BYTES])
            while found:
                key = bytes(cursor.key())
                if not key.startswith(prefix) or (last is not None and key >= last):
                    return
                if key >= first:
                    yield Entry(key[len(prefix) :].decode(), *_decode(bytes(cursor.value())))
                found = cursor.next()


def fits(namespace: str, collection: str, key: str) -> bool:
    """Whether state can hold the key: with its names it is at most about 490 bytes long."""
    names = _prefix(namespace, collection) if collection else _history_prefix(namespace, "") + bytes(_VERSION.size)
    return len(names) + len(key.encode()) <= MAX_KEY_BYTES


def _prefix(*names: str) -> bytes:
    # Names of contracts and collections hold no NUL.
    return b"".join(name.encode() + b"\x00" for name in names)


def _history_prefix(namespace: str, key: str) -> bytes:
    """The length goes first, since a key may itself start with another and NUL."""
    encoded = key.encode()
    return _prefix(namespace) + len(encoded).to_bytes(2, "big") + encoded


def _put_all(transaction: lmdb.Transaction, database: Any, writes: Iterable[tuple[bytes, Write]]) -> None:
    for key, (value, version) in writes:
        if value is None:
            transaction.delete(key, db=database)
        else:
            transaction.put(key, _VERSION.pack(*version) + value, db=database)


def _put_transaction(transaction: lmdb.Transaction, database: Any, transaction_id: str, status: Any) -> None:
    key = transaction_id.encode()
    former = transaction.get(key, db=database)
    if former is None or _ENTRY.unpack(former)[2] in UNPROVEN:
        transaction.put(key, _ENTRY.pack(*status), db=database)


def _decode(value: bytes) -> Versioned:
    return Versioned(value[_VERSION.size :], Version(*_VERSION.unpack_from(value)))


def _encode_modification(each: Modification) -> bytes:
    transaction_id = each.transaction_id.encode()
    microseconds = (each.timestamp - _EPOCH) // timedelta(microseconds=1)
    fields = _MODIFICATION.pack(each.value is None, microseconds, len(transaction_id))
    return fields + transaction_id + (each.value or b"")


def _decode_modification(namespace: str, key: str, version: Version, data: bytes) -> Modification:
    deleted, microseconds, size = _MODIFICATION.unpack_from(data)
    end = _MODIFICATION.size + size
    return Modification(
        namespace,
        key,
        version,
        data[_MODIFICATION.size : end].decode(),
        _EPOCH + timedelta(microseconds=microseconds),
        None if deleted else data[end:],
    )


def _drop(folder: Path) -> None:
    """Removes the environment. The boot's mark stays until it is replaced: a crash in between drops what is left."""
    for name in ("data.mdb", "lock.mdb"):
        (folder / name).unlink(missing_ok=True)


def _write_synchronised(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    sync_folder(path.parent)


def _boot_id() -> str:
    """Names this run of the machine's kernel; "" where that cannot be known."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""
