"""What a validated block changes: the one derivation of state from blocks, used at commit and at catch-up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from fabric_protos.common import common_pb2

from services.ledger import blocks
from services.ledger.rwset import NamespaceSet, PrivateCollection, Version, parse_private
from services.ledger.transactions import Code, InvalidTransactionError, TransactionHeader, parse_action, parse_header

# Such an envelope proves nothing about who made it, so it must not take the id from the one who did.
UNPROVEN = frozenset({Code.BAD_CREATOR_SIGNATURE})


class Write(NamedTuple):
    """The last value that a block gives a key; None deletes it."""

    value: bytes | None
    version: Version


class Modification(NamedTuple):
    """One committed write of a public key, for its history."""

    namespace: str
    key: str
    version: Version
    transaction_id: str
    timestamp: datetime
    value: bytes | None


class TransactionEntry(NamedTuple):
    """Where a transaction is and what became of it."""

    transaction_id: str
    place: int
    code: int


@dataclass
class BlockUpdates:
    """`public`, `hashes` and `private` by namespace (and collection), then key or key hash."""

    number: int
    public: dict[str, dict[str, Write]] = field(default_factory=dict)
    hashes: dict[tuple[str, str], dict[bytes, Write]] = field(default_factory=dict)
    private: dict[tuple[str, str], dict[str, Write]] = field(default_factory=dict)
    history: list[Modification] = field(default_factory=list)
    transactions: list[TransactionEntry] = field(default_factory=list)
    commit_hash: bytes = b""
    header_hash: bytes = b""

    def write(self, namespaces: Iterable[NamespaceSet], version: Version) -> None:
        """Adds a valid transaction's public and hashed writes."""
        for namespace in namespaces:
            for key, value in namespace.writes.items():
                self.public.setdefault(namespace.name, {})[key] = Write(value, version)
            for collection in namespace.collections:
                for key_hash, value_hash in collection.writes.items():
                    self.hashes.setdefault((namespace.name, collection.name), {})[key_hash] = Write(value_hash, version)

    def write_private(self, collections: Iterable[PrivateCollection], version: Version) -> None:
        """Adds a valid transaction's cleartext."""
        for each in collections:
            for key, value in each.writes.items():
                self.private.setdefault((each.namespace, each.name), {})[key] = Write(value, version)

    def deterministic_bytes(self) -> bytes:
        """Public and hashed writes as Fabric hashes them (core/ledger privacyenabledstate `KVWritesBatchProto`)."""
        encoded = bytearray()
        for namespace in sorted({*self.public, *(name for name, _ in self.hashes)}):
            # A field that repeats the entry before it is left out.
            pending_namespace = namespace
            groups: list[tuple[str, dict[bytes, Write]]] = []
            if public := self.public.get(namespace):
                groups.append(("", {key.encode(): write for key, write in public.items()}))
            groups += [(coll, self.hashes[name, coll]) for name, coll in sorted(self.hashes) if name == namespace]
            for collection, writes in groups:
                for key, write in sorted(writes.items()):
                    entry = _write_bytes(pending_namespace, collection, key, write)
                    encoded += _field(1, entry)
                    pending_namespace = collection = ""
        return bytes(encoded)


def collect(block: Any, codes: Sequence[int], private: Mapping[int, Iterable[PrivateCollection]]) -> BlockUpdates:
    """The changes of a `common.Block` whose transactions have these validation codes.

    `private` is the cleartext that is at hand, by the transaction's place in the block.
    """
    updates = BlockUpdates(block.header.number, header_hash=blocks.header_hash(block.header))
    for index, (envelope, code) in enumerate(zip(block.data.data, codes, strict=True)):
        try:
            header = parse_header(envelope)
        except InvalidTransactionError:
            continue
        if header.id_holds:
            updates.transactions.append(TransactionEntry(header.transaction_id, index, code))
        if code == Code.VALID and header.type == common_pb2.HeaderType.ENDORSER_TRANSACTION:
            version = Version(updates.number, index)
            namespaces = parse_action(header).namespaces
            updates.write(namespaces, version)
            updates.write_private(private.get(index, ()), version)
            updates.history += _history(header, namespaces, version)
    return updates


def match_private(namespaces: Iterable[NamespaceSet], staged: Iterable[bytes]) -> tuple[PrivateCollection, ...]:
    """The parts of staged `rwset.TxPvtReadWriteSet`s that the public set vouches for by their hash.

    Those that are missing stay missing: the transaction commits its hashes all the same, as in Fabric.
    """
    wanted = {
        (namespace.name, each.name, each.private_hash)
        for namespace in namespaces
        for each in namespace.collections
        if each.private_hash
    }
    found: dict[tuple[str, str, bytes], PrivateCollection] = {}
    for data in staged:
        for part in parse_private(data):
            name = (part.namespace, part.name, part.digest)
            if name in wanted:
                found[name] = part
    return tuple(found[name] for name in sorted(found))


def seal(block: Any, codes: Sequence[int], updates: BlockUpdates, previous_commit_hash: bytes) -> None:
    """Records codes and commit hash in the block, and the commit hash in the updates. Fabric hashes from block 1 on."""
    blocks.set_codes(block, codes)
    if updates.number > 0:
        updates.commit_hash = blocks.commit_hash(previous_commit_hash, codes, updates.deterministic_bytes())
        blocks.set_commit_hash(block, updates.commit_hash)


def _history(header: TransactionHeader, namespaces: Iterable[NamespaceSet], version: Version) -> Iterable[Modification]:
    for namespace in namespaces:
        for key, value in namespace.writes.items():
            yield Modification(namespace.name, key, version, header.transaction_id, header.timestamp, value)


def _write_bytes(namespace: str, collection: str, key: bytes, write: Write) -> bytes:
    encoded = _field(1, namespace.encode()) + _field(2, collection.encode()) + _field(3, key)
    encoded += b"\x20\x01" if write.value is None else _field(5, write.value)
    return encoded + _field(6, _height(write.version.block) + _height(write.version.tx))


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field; an empty one is left out, but for the repeated field that an entry is."""
    return bytes([number << 3 | 2]) + blocks.varint(len(data)) + data if data else b""


def _height(number: int) -> bytes:
    """Fabric's order-preserving encoding: the number of bytes, then the bytes."""
    size = (number.bit_length() + 7) // 8
    return bytes([size]) + number.to_bytes(size, "big")
