"""Multi-version concurrency control: whether what a transaction read is still so when its turn comes. Pure.

Fabric's order (core/ledger validation): transactions by their place in the block, each against committed state and the
writes of the valid ones before it; in each namespace, first the keys read, then the ranges, then the hashed keys read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from services.ledger.rwset import NamespaceSet, RangeQuery, Version
from services.ledger.state import Entry, Versioned
from services.ledger.transactions import Code
from services.ledger.updates import BlockUpdates, Write


class Committed(Protocol):
    """Committed state: `services.ledger.state.Snapshot`."""

    def get(self, namespace: str, key: str) -> Versioned | None: ...

    def get_hash(self, namespace: str, collection: str, key_hash: bytes) -> Versioned | None: ...

    def range(self, namespace: str, start: str, end: str) -> Iterator[Entry]: ...


def check(number: int, transactions: Sequence[Sequence[NamespaceSet] | None], committed: Committed) -> list[int]:
    """The code of each transaction of block `number`: VALID, MVCC_READ_CONFLICT or PHANTOM_READ_CONFLICT.

    None stands for a transaction that is invalid already (or writes nothing by its kind): it changes nothing, and the
    code given for it is VALID.
    """
    block = BlockUpdates(number)
    codes = []
    for place, namespaces in enumerate(transactions):
        code = Code.VALID if namespaces is None else _check_transaction(namespaces, block, committed)
        if namespaces is not None and code == Code.VALID:
            block.write(namespaces, Version(number, place))
        codes.append(code)
    return codes


def _check_transaction(namespaces: Sequence[NamespaceSet], block: BlockUpdates, committed: Committed) -> int:
    for namespace in namespaces:
        if not _reads_hold(namespace, block, committed):
            return int(Code.MVCC_READ_CONFLICT)
        if not all(_range_holds(namespace.name, query, block, committed) for query in namespace.ranges):
            return int(Code.PHANTOM_READ_CONFLICT)
        if not _hashed_reads_hold(namespace, block, committed):
            return int(Code.MVCC_READ_CONFLICT)
    return int(Code.VALID)


def _reads_hold(namespace: NamespaceSet, block: BlockUpdates, committed: Committed) -> bool:
    changed = block.public.get(namespace.name, {})
    return all(
        key not in changed and _version(committed.get(namespace.name, key)) == version
        for key, version in namespace.reads.items()
    )


def _hashed_reads_hold(namespace: NamespaceSet, block: BlockUpdates, committed: Committed) -> bool:
    for collection in namespace.collections:
        changed = block.hashes.get((namespace.name, collection.name), {})
        for key_hash, version in collection.reads.items():
            if key_hash in changed:
                return False
            if _version(committed.get_hash(namespace.name, collection.name, key_hash)) != version:
                return False
    return True


def _range_holds(namespace: str, query: RangeQuery, block: BlockUpdates, committed: Committed) -> bool:
    """Whether the range would give the same keys in the same versions now."""
    # The end of a range that was left early is the last key seen, inclusive: no key lies between it and this one.
    end = query.end if query.exhausted else query.end + "\x00"
    expected = iter(query.reads)
    for found in _range(namespace, query.start, end, block, committed):
        if next(expected, None) != found:
            return False
    return next(expected, None) is None


def _range(
    namespace: str, start: str, end: str, block: BlockUpdates, committed: Committed
) -> Iterator[tuple[str, Version]]:
    """Committed state with the block's writes over it, in order."""
    changed = {
        key: write for key, write in block.public.get(namespace, {}).items() if start <= key and (not end or key < end)
    }
    for entry in committed.range(namespace, start, end):
        yield from _before(changed, entry.key)
        write = changed.pop(entry.key, None)
        if write is None:
            yield entry.key, entry.version
        elif write.value is not None:
            yield entry.key, write.version
    yield from _before(changed, None)


def _before(changed: dict[str, Write], key: str | None) -> Iterator[tuple[str, Version]]:
    """Takes out the writes of keys before `key` (None: all), and gives those that are no deletions."""
    for each in sorted(each for each in changed if key is None or each < key):
        write = changed.pop(each)
        if write.value is not None:
            yield each, write.version


def _version(found: Versioned | None) -> Version | None:
    return None if found is None else found.version
