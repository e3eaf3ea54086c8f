"""The auditor's own copy of what it needs: the transparency log, the index, and the transactions that hold decisions.

`LmdbStore` keeps it in one LMDB environment, so a block arrives in all of it or in none. Each method says what is
durable when it returns. Writes come from one task; reads from any thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import lmdb

from chaincode.core import canonical
from chaincode.core.merkle import Frontier
from services.audit import index, log
from services.audit.index import Entry, Filter
from services.common.config import ConfigError
from services.ledger.environment import Environment

SCHEMA = "salus.audit.store/1"
_TABLES = ("meta", "nodes", "blocks", "envelopes", "entries", "facets")


@dataclass(frozen=True)
class Position:
    """How far the log has come. `height` is the next block's number, `head` the last block's hash, b"" before any.

    `policies` are the endorsement policies of the contract `decisions`, each with the first block it holds for.
    """

    height: int = 0
    head: bytes = b""
    tree: Frontier = field(default_factory=Frontier)
    policies: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class IndexedBlock:
    """What the store takes of a block.

    `leaves` are the leaf hashes of all its transactions. `entries` are its decisions, each with the patient's pseudonym
    ("" where it is not known). `envelopes` are the transactions that hold decisions, by index. `policy` is the policy
    of the contract `decisions` from this block on, where the block sets one.
    """

    number: int
    head: bytes
    leaves: Sequence[bytes]
    entries: Sequence[tuple[Entry, str]] = ()
    envelopes: Mapping[int, bytes] = field(default_factory=dict)
    policy: str = ""


class AuditStore(Protocol):
    """What the follower writes and the servicer reads."""

    def position(self) -> Position:
        """Where the log stands: after the last block appended."""

    def append(self, block: IndexedBlock) -> None:
        """Adds the next block: durable when it returns, and after a crash there whole or not at all.

        Raises ValueError for any block but the next one.
        """

    def find(
        self, wanted: Filter, limit: int, *, after: bytes = b"", below: int | None = None, newest_first: bool = False
    ) -> list[Entry]:
        """At most `limit` decisions beyond the place `after`, in blocks below `below`. Writes nothing."""

    def envelope(self, block_number: int, index: int) -> bytes:
        """A transaction that holds decisions, verbatim. Raises KeyError."""

    def leaf_index(self, block_number: int, index: int) -> int:
        """The number of a transaction's leaf in the log. Raises KeyError."""

    def prove(self, leaf_index: int, size: int) -> list[bytes]:
        """The inclusion proof of a leaf in the log as it was at this size. Raises ValueError."""


class LmdbStore:
    """`AuditStore` in a folder."""

    def __init__(self, folder: Path, channel: str) -> None:
        """Opens or makes it. Raises ConfigError for a folder that cannot be used or that belongs to another channel."""
        try:
            self._environment = Environment(folder, _TABLES, durable=True)
        except (OSError, lmdb.Error) as error:
            raise ConfigError(f"the audit store in {folder} cannot be opened: {error}") from None
        identity = canonical.encode({"schema": SCHEMA, "channel": channel})
        known = self._environment.write(lambda transaction: self._identify(transaction, identity))
        if known != identity:
            self.close()
            raise ConfigError(f"the audit store in {folder} belongs to another channel or version")

    def close(self) -> None:
        """Releases the files."""
        self._environment.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def position(self) -> Position:
        with self._environment.read() as transaction:
            return self._position(transaction)

    def append(self, block: IndexedBlock) -> None:
        self._environment.write(lambda transaction: self._append(transaction, block))

    def find(
        self, wanted: Filter, limit: int, *, after: bytes = b"", below: int | None = None, newest_first: bool = False
    ) -> list[Entry]:
        found: list[Entry] = []
        with self._environment.read() as transaction:
            for place in self._places(transaction, wanted, after, newest_first=newest_first):
                if below is not None and int.from_bytes(place[8:16]) >= below:
                    continue
                entry = Entry.from_bytes(self._look(transaction, "entries", place))
                if wanted.matches(entry):
                    found.append(entry)
                    if len(found) == limit:
                        break
        return found

    def envelope(self, block_number: int, index: int) -> bytes:
        return self._get("envelopes", _envelope_key(block_number, index))

    def leaf_index(self, block_number: int, index: int) -> int:
        return int.from_bytes(self._get("blocks", block_number.to_bytes(8))) + index

    def prove(self, leaf_index: int, size: int) -> list[bytes]:
        with self._environment.read() as transaction:
            if size > self._position(transaction).tree.size:
                raise ValueError(f"the log has not come to size {size}")
            return log.prove(
                leaf_index, size, lambda level, number: self._look(transaction, "nodes", _node_key(level, number))
            )

    def _places(self, transaction: Any, wanted: Filter, after: bytes, *, newest_first: bool) -> Iterator[bytes]:
        """The places of the filter's most telling facet and period, beyond `after`."""
        facet = wanted.facet()
        prefix = facet or b""
        first, last = (prefix + each for each in index.span(wanted))
        with transaction.cursor(db=self._environment["facets" if facet else "entries"]) as cursor:
            if newest_first:
                end = prefix + after if after else last
                there = cursor.prev() if cursor.set_range(end) else cursor.last()
                while there and bytes(cursor.key()) >= first:
                    yield bytes(cursor.key())[len(prefix) :]
                    there = cursor.prev()
                return
            there = cursor.set_range(max(prefix + after, first))
            while there and bytes(cursor.key()) < last:
                place = bytes(cursor.key())[len(prefix) :]
                if place != after:
                    yield place
                there = cursor.next()

    def _position(self, transaction: Any) -> Position:
        value = transaction.get(b"position", db=self._environment["meta"])
        if value is None:
            return Position()
        state = canonical.decode(bytes(value))
        subtrees = tuple(bytes.fromhex(each) for each in state["subtrees"])
        return Position(
            height=state["height"],
            head=bytes.fromhex(state["head"]),
            tree=Frontier(state["size"], subtrees),
            policies=tuple((number, text) for number, text in state["policies"]),
        )

    def _append(self, transaction: Any, block: IndexedBlock) -> None:
        position = self._position(transaction)
        if block.number != position.height:
            raise ValueError(f"block {block.number} is not the next one, {position.height}")
        tree, nodes = log.grow(position.tree, block.leaves)
        for (level, number), value in nodes.items():
            self._put(transaction, "nodes", _node_key(level, number), value)
        self._put(transaction, "blocks", block.number.to_bytes(8), position.tree.size.to_bytes(8))
        for number, envelope in block.envelopes.items():
            self._put(transaction, "envelopes", _envelope_key(block.number, number), envelope)
        for entry, patient in block.entries:
            self._put(transaction, "entries", entry.place, entry.to_bytes())
            for facet in entry.facets(patient):
                self._put(transaction, "facets", facet + entry.place, b"\x01")
        policies = [*position.policies, (block.number, block.policy)] if block.policy else position.policies
        state = {
            "height": block.number + 1,
            "head": block.head.hex(),
            "size": tree.size,
            "subtrees": [each.hex() for each in tree.subtrees],
            "policies": [list(each) for each in policies],
        }
        self._put(transaction, "meta", b"position", canonical.encode(state))

    def _put(self, transaction: Any, table: str, key: bytes, value: bytes) -> None:
        transaction.put(key, value, db=self._environment[table])

    def _identify(self, transaction: Any, identity: bytes) -> bytes:
        """What the store says that it is; a new one says `identity`."""
        known = transaction.get(b"identity", db=self._environment["meta"])
        if known is None:
            self._put(transaction, "meta", b"identity", identity)
            return identity
        return bytes(known)

    def _get(self, table: str, key: bytes) -> bytes:
        with self._environment.read() as transaction:
            return self._look(transaction, table, key)

    def _look(self, transaction: Any, table: str, key: bytes) -> bytes:
        value = transaction.get(key, db=self._environment[table])
        if value is None:
            raise KeyError(key)
        return bytes(value)


def _node_key(level: int, number: int) -> bytes:
    return level.to_bytes(1) + number.to_bytes(8)


def _envelope_key(block_number: int, index: int) -> bytes:
    return block_number.to_bytes(8) + index.to_bytes(4)
