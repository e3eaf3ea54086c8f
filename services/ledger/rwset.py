"""Read-write sets: what a transaction read, in which version, and what it writes. Fabric's messages, built and read.

The same simulation gives the same bytes at every organisation: namespaces, collections and keys are sorted, private
keys by their hash. The public set holds SHA-256 hashes of private keys and values; the cleartext is a set of its own,
and the public set holds the hash of each of its collections.

Ranges are recorded as raw reads. What this ledger does not validate (Merkle summaries of ranges, key metadata, a key
read twice) is refused on reading, not passed over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from fabric_protos.ledger.rwset import rwset_pb2
from fabric_protos.ledger.rwset.kvrwset import kv_rwset_pb2
from google.protobuf.message import DecodeError, Message

_Key = TypeVar("_Key", str, bytes)
_HASH_BYTES = 32


class Version(NamedTuple):
    """The transaction that wrote a value: its block, and its place in it. Ordered."""

    block: int
    tx: int


class RwsetError(ValueError):
    """The bytes are no read-write set that this ledger validates."""


@dataclass(frozen=True)
class RangeQuery:
    """What a range gave: keys and versions, in order. `exhausted`: to its end, which is then exclusive ("" is open);
    else `end` is the last key seen, inclusive."""

    start: str
    end: str
    exhausted: bool
    reads: tuple[tuple[str, Version], ...]


@dataclass(frozen=True)
class CollectionHashes:
    """A private collection's part: versions read and value hashes written (None deletes), by key hash."""

    name: str
    reads: Mapping[bytes, Version | None]
    writes: Mapping[bytes, bytes | None]
    private_hash: bytes


@dataclass(frozen=True)
class NamespaceSet:
    """A contract's part of a read-write set."""

    name: str
    reads: Mapping[str, Version | None]
    ranges: Sequence[RangeQuery]
    writes: Mapping[str, bytes | None]
    collections: Sequence[CollectionHashes]

    @property
    def written(self) -> bool:
        return bool(self.writes) or any(each.writes for each in self.collections)


@dataclass(frozen=True)
class PrivateCollection:
    """The cleartext of a collection's writes (None deletes). `digest` is what the public set must hold of it."""

    namespace: str
    name: str
    writes: Mapping[str, bytes | None]
    raw: bytes

    @property
    def digest(self) -> bytes:
        return hashlib.sha256(self.raw).digest()


@dataclass
class _Collection:
    reads: dict[str, Version | None] = field(default_factory=dict)
    writes: dict[str, bytes | None] = field(default_factory=dict)

    def cleartext(self) -> bytes:
        return bytes(kv_rwset_pb2.KVRWSet(writes=_writes(self.writes)).SerializeToString())

    def hashed(self, name: str) -> Any:
        reads = sorted((hash_of(key.encode()), version) for key, version in self.reads.items())
        writes = sorted((hash_of(key.encode()), value) for key, value in self.writes.items())
        hashed = kv_rwset_pb2.HashedRWSet(
            hashed_reads=[kv_rwset_pb2.KVReadHash(key_hash=key, version=_version(version)) for key, version in reads],
            hashed_writes=[
                kv_rwset_pb2.KVWriteHash(
                    key_hash=key, is_delete=value is None, value_hash=b"" if value is None else hash_of(value)
                )
                for key, value in writes
            ],
        )
        return rwset_pb2.CollectionHashedReadWriteSet(
            collection_name=name,
            hashed_rwset=hashed.SerializeToString(),
            pvt_rwset_hash=hash_of(self.cleartext()) if self.writes else b"",
        )


@dataclass
class _Namespace:
    reads: dict[str, Version | None] = field(default_factory=dict)
    ranges: dict[RangeQuery, None] = field(default_factory=dict)
    writes: dict[str, bytes | None] = field(default_factory=dict)
    collections: dict[str, _Collection] = field(default_factory=dict)


class RwsetBuilder:
    """Collects one transaction's reads and writes over every namespace that it touches."""

    def __init__(self) -> None:
        self._namespaces: dict[str, _Namespace] = {}

    @property
    def writes(self) -> bool:
        """Whether anything is written yet."""
        return any(
            each.writes or any(collection.writes for collection in each.collections.values())
            for each in self._namespaces.values()
        )

    def touch(self, namespace: str) -> None:
        """The transaction ran this contract, whether or not it read or wrote."""
        self._namespace(namespace)

    def read(self, namespace: str, key: str, version: Version | None) -> None:
        self._namespace(namespace).reads[key] = version

    def write(self, namespace: str, key: str, value: bytes | None) -> None:
        """The last write of a key counts; None deletes."""
        self._namespace(namespace).writes[key] = value

    def range(self, namespace: str, query: RangeQuery) -> None:
        self._namespace(namespace).ranges[query] = None

    def read_private(self, namespace: str, collection: str, key: str, version: Version | None) -> None:
        self._collection(namespace, collection).reads[key] = version

    def write_private(self, namespace: str, collection: str, key: str, value: bytes | None) -> None:
        self._collection(namespace, collection).writes[key] = value

    def public(self) -> bytes:
        """The serialised `rwset.TxReadWriteSet`, which goes into the block."""
        message = rwset_pb2.TxReadWriteSet(data_model=rwset_pb2.TxReadWriteSet.KV)
        for name, namespace in sorted(self._namespaces.items()):
            kv = kv_rwset_pb2.KVRWSet(
                reads=[
                    kv_rwset_pb2.KVRead(key=key, version=_version(version)) for key, version in _sorted(namespace.reads)
                ],
                range_queries_info=[_range(each) for each in namespace.ranges],
                writes=_writes(namespace.writes),
            )
            message.ns_rwset.append(
                rwset_pb2.NsReadWriteSet(
                    namespace=name,
                    rwset=kv.SerializeToString(),
                    collection_hashed_rwset=[
                        collection.hashed(each) for each, collection in sorted(namespace.collections.items())
                    ],
                )
            )
        return bytes(message.SerializeToString())

    def private(self) -> bytes | None:
        """The serialised `rwset.TxPvtReadWriteSet`, which stays out of the block; None where nothing is private."""
        message = rwset_pb2.TxPvtReadWriteSet(data_model=rwset_pb2.TxReadWriteSet.KV)
        for name, namespace in sorted(self._namespaces.items()):
            collections = [
                rwset_pb2.CollectionPvtReadWriteSet(collection_name=each, rwset=collection.cleartext())
                for each, collection in sorted(namespace.collections.items())
                if collection.writes
            ]
            if collections:
                message.ns_pvt_rwset.append(
                    rwset_pb2.NsPvtReadWriteSet(namespace=name, collection_pvt_rwset=collections)
                )
        return bytes(message.SerializeToString()) if message.ns_pvt_rwset else None

    def _namespace(self, name: str) -> _Namespace:
        return self._namespaces.setdefault(name, _Namespace())

    def _collection(self, namespace: str, name: str) -> _Collection:
        return self._namespace(namespace).collections.setdefault(name, _Collection())


def parse(data: bytes) -> tuple[NamespaceSet, ...]:
    """The parts of a serialised `rwset.TxReadWriteSet`, as they stand; a namespace may be there twice.

    Raises RwsetError.
    """
    message = _message(rwset_pb2.TxReadWriteSet, data)
    if message.data_model != rwset_pb2.TxReadWriteSet.KV:
        raise RwsetError("the read-write set is of an unknown data model")
    return tuple(_parse_namespace(each) for each in message.ns_rwset)


def parse_private(data: bytes) -> tuple[PrivateCollection, ...]:
    """The parts of a serialised `rwset.TxPvtReadWriteSet`. Raises RwsetError."""
    message = _message(rwset_pb2.TxPvtReadWriteSet, data)
    return tuple(
        PrivateCollection(
            namespace.namespace,
            each.collection_name,
            _parse_writes(_message(kv_rwset_pb2.KVRWSet, each.rwset).writes),
            each.rwset,
        )
        for namespace in message.ns_pvt_rwset
        for each in namespace.collection_pvt_rwset
    )


def encode_private(collections: Sequence[PrivateCollection]) -> bytes:
    """A serialised `rwset.TxPvtReadWriteSet` of these parts, each verbatim."""
    message = rwset_pb2.TxPvtReadWriteSet(data_model=rwset_pb2.TxReadWriteSet.KV)
    for each in collections:
        if not message.ns_pvt_rwset or message.ns_pvt_rwset[-1].namespace != each.namespace:
            message.ns_pvt_rwset.add(namespace=each.namespace)
        message.ns_pvt_rwset[-1].collection_pvt_rwset.add(collection_name=each.name, rwset=each.raw)
    return bytes(message.SerializeToString())


def hash_of(data: bytes) -> bytes:
    """SHA-256: how private keys and values stand in a block."""
    return hashlib.sha256(data).digest()


def _parse_namespace(message: Any) -> NamespaceSet:
    kv = _message(kv_rwset_pb2.KVRWSet, message.rwset)
    if kv.metadata_writes:
        raise RwsetError("key metadata is not validated here")
    return NamespaceSet(
        name=message.namespace,
        reads=_parse_reads((each.key, each) for each in kv.reads),
        ranges=tuple(_parse_range(each) for each in kv.range_queries_info),
        writes=_parse_writes(kv.writes),
        collections=tuple(_parse_collection(each) for each in message.collection_hashed_rwset),
    )


def _parse_collection(message: Any) -> CollectionHashes:
    hashed = _message(kv_rwset_pb2.HashedRWSet, message.hashed_rwset)
    if any(len(each.key_hash) != _HASH_BYTES for each in (*hashed.hashed_reads, *hashed.hashed_writes)):
        raise RwsetError("the hash of a private key is of another length")
    if hashed.metadata_writes or any(each.is_purge for each in hashed.hashed_writes):
        raise RwsetError("key metadata and purges are not validated here")
    return CollectionHashes(
        name=message.collection_name,
        reads=_parse_reads((each.key_hash, each) for each in hashed.hashed_reads),
        writes={each.key_hash: None if each.is_delete else each.value_hash for each in hashed.hashed_writes},
        private_hash=message.pvt_rwset_hash,
    )


def _parse_range(message: Any) -> RangeQuery:
    if message.WhichOneof("reads_info") == "reads_merkle_hashes":
        raise RwsetError("Merkle summaries of ranges are not validated here")
    reads = tuple((each.key, _parse_version(each)) for each in message.raw_reads.kv_reads)
    present = tuple((key, version) for key, version in reads if version is not None)
    if len(present) != len(reads):
        raise RwsetError("a range gave a key without a version")
    return RangeQuery(message.start_key, message.end_key, message.itr_exhausted, present)


def _parse_writes(messages: Any) -> dict[str, bytes | None]:
    return {each.key: None if each.is_delete else each.value for each in messages}


def _parse_reads(messages: Iterable[tuple[_Key, Any]]) -> dict[_Key, Version | None]:
    reads: dict[_Key, Version | None] = {}
    for key, message in messages:
        if key in reads:
            raise RwsetError("a key is read twice")
        reads[key] = _parse_version(message)
    return reads


def _parse_version(message: Any) -> Version | None:
    return Version(message.version.block_num, message.version.tx_num) if message.HasField("version") else None


def _message(kind: type[Message], data: bytes) -> Any:
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError:
        raise RwsetError("the read-write set cannot be read") from None
    return message


def _version(version: Version | None) -> Any:
    return None if version is None else kv_rwset_pb2.Version(block_num=version.block, tx_num=version.tx)


def _writes(writes: Mapping[str, bytes | None]) -> Iterator[Any]:
    for key, value in _sorted(writes):
        yield kv_rwset_pb2.KVWrite(key=key, is_delete=value is None, value=value or b"")


def _range(query: RangeQuery) -> Any:
    reads = [kv_rwset_pb2.KVRead(key=key, version=_version(version)) for key, version in query.reads]
    return kv_rwset_pb2.RangeQueryInfo(
        start_key=query.start,
        end_key=query.end,
        itr_exhausted=query.exhausted,
        raw_reads=kv_rwset_pb2.QueryReads(kv_reads=reads),
    )


def _sorted(items: Mapping[str, Any]) -> list[tuple[str, Any]]:
    # Code points order as UTF-8 bytes do.
    return sorted(items.items())
