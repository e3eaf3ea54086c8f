"""MVCC and phantoms: readable transcripts, and an oracle that executes serially."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger import mvcc
from services.ledger.rwset import CollectionHashes, NamespaceSet, RangeQuery, Version
from services.ledger.state import Entry, Versioned
from services.ledger.transactions import Code

KEYS = "abcd"
NAMES = {int(Code.VALID): "valid", int(Code.MVCC_READ_CONFLICT): "read", int(Code.PHANTOM_READ_CONFLICT): "phantom"}


@dataclass
class Memory:
    """Committed state: public keys and private key hashes of one namespace, with versions."""

    public: dict[str, Version] = field(default_factory=dict)
    hashes: dict[bytes, Version] = field(default_factory=dict)

    def get(self, namespace: str, key: str) -> Versioned | None:
        return Versioned(b"v", self.public[key]) if key in self.public else None

    def get_hash(self, namespace: str, collection: str, key_hash: bytes) -> Versioned | None:
        return Versioned(b"h", self.hashes[key_hash]) if key_hash in self.hashes else None

    def range(self, namespace: str, start: str, end: str) -> Iterator[Entry]:
        for key in sorted(self.public):
            if start <= key and (not end or key < end):
                yield Entry(key, b"v", self.public[key])


def transaction(
    reads: Mapping[str, Version | None] | None = None,
    ranges: Sequence[RangeQuery] = (),
    writes: Mapping[str, bytes | None] | None = None,
    private_reads: Mapping[bytes, Version | None] | None = None,
    private_writes: Mapping[bytes, bytes | None] | None = None,
) -> list[NamespaceSet]:
    collection = CollectionHashes("coll", private_reads or {}, private_writes or {}, b"")
    return [NamespaceSet("cc", reads or {}, tuple(ranges), writes or {}, [collection])]


def check(committed: Memory, *transactions: list[NamespaceSet] | None) -> list[str]:
    return [NAMES[code] for code in mvcc.check(5, transactions, committed)]


OLD = Version(1, 0)


def test_reads_of_current_versions_hold() -> None:
    assert check(Memory({"a": OLD}), transaction({"a": OLD, "b": None})) == ["valid"]


@pytest.mark.parametrize("read", [{"a": Version(0, 0)}, {"a": None}, {"b": OLD}])
def test_a_read_of_another_version_is_a_conflict(read: dict[str, Version | None]) -> None:
    assert check(Memory({"a": OLD}), transaction(read)) == ["read"]


def test_the_first_of_two_in_a_block_wins() -> None:
    both = transaction({"a": OLD}, writes={"a": b"1"})
    assert check(Memory({"a": OLD}), both, both) == ["valid", "read"]


def test_a_deletion_in_the_block_is_a_change() -> None:
    assert check(Memory({"a": OLD}), transaction(writes={"a": None}), transaction({"a": OLD})) == ["valid", "read"]


def test_a_loser_changes_nothing() -> None:
    loser = transaction({"a": None}, writes={"b": b"1"})
    assert check(Memory({"a": OLD}), loser, transaction({"b": None})) == ["read", "valid"]


def test_what_is_invalid_already_changes_nothing() -> None:
    assert check(Memory(), None, transaction({"a": None})) == ["valid", "valid"]


def test_blind_writes_do_not_conflict() -> None:
    assert check(Memory(), transaction(writes={"a": b"1"}), transaction(writes={"a": b"2"})) == ["valid", "valid"]


def test_private_keys_conflict_by_hash() -> None:
    both = transaction(private_reads={b"k": None}, private_writes={b"k": b"1"})
    assert check(Memory(), both, both) == ["valid", "read"]
    assert check(Memory(hashes={b"k": OLD}), both) == ["read"]


WHOLE = RangeQuery("a", "c", True, (("a", OLD),))


@pytest.mark.parametrize(
    ("committed", "expected"),
    [
        ({"a": OLD}, "valid"),
        ({"a": OLD, "c": OLD}, "valid"),
        ({"a": OLD, "b": OLD}, "phantom"),
        ({}, "phantom"),
        ({"a": Version(2, 0)}, "phantom"),
    ],
)
def test_a_range_must_give_the_same_again(committed: dict[str, Version], expected: str) -> None:
    assert check(Memory(committed), transaction(ranges=[WHOLE])) == [expected]


@pytest.mark.parametrize(
    ("write", "expected"),
    [({"b": b"1"}, "phantom"), ({"a": b"1"}, "phantom"), ({"a": None}, "phantom"), ({"c": b"1"}, "valid")],
)
def test_a_range_sees_the_blocks_earlier_writes(write: dict[str, bytes | None], expected: str) -> None:
    codes = check(Memory({"a": OLD}), transaction(writes=write), transaction(ranges=[WHOLE]))
    assert codes == ["valid", expected]


def test_a_key_written_and_deleted_in_the_block_is_no_phantom() -> None:
    writer, deleter = transaction(writes={"b": b"1"}), transaction(writes={"b": None})
    assert check(Memory({"a": OLD}), writer, deleter, transaction(ranges=[WHOLE])) == ["valid"] * 3


def test_a_range_that_was_left_early_covers_its_last_key_and_no_more() -> None:
    query = RangeQuery("a", "b", False, (("a", OLD), ("b", OLD)))
    committed = {"a": OLD, "b": OLD}
    assert check(Memory({**committed, "ba": OLD}), transaction(ranges=[query])) == ["valid"]
    assert check(Memory({**committed, "aa": OLD}), transaction(ranges=[query])) == ["phantom"]
    assert check(Memory({"a": OLD, "b": Version(2, 0)}), transaction(ranges=[query])) == ["phantom"]


def test_reads_are_checked_before_ranges() -> None:
    """Fabric's order within a namespace (validateTx)."""
    assert check(Memory(), transaction({"a": OLD}, ranges=[WHOLE])) == ["read"]
    assert check(Memory(), transaction(ranges=[WHOLE], private_reads={b"k": OLD})) == ["phantom"]


@dataclass(frozen=True)
class Program:
    """Reads keys, then a range, then writes keys: run on a state it gives a read-write set."""

    reads: tuple[str, ...]
    span: tuple[str, str] | None
    writes: tuple[tuple[str, bool], ...]

    def run(self, state: Memory) -> list[NamespaceSet]:
        ranges = []
        if self.span is not None:
            found = tuple((entry.key, entry.version) for entry in state.range("cc", *self.span))
            ranges.append(RangeQuery(*self.span, True, found))
        return transaction(
            {key: state.public.get(key) for key in self.reads},
            ranges,
            {key: None if deleted else b"x" for key, deleted in self.writes},
        )


programs = st.builds(
    Program,
    st.lists(st.sampled_from(KEYS), max_size=2, unique=True).map(tuple),
    st.none() | st.tuples(st.sampled_from(KEYS), st.sampled_from([*KEYS, "e", ""])),
    st.lists(st.tuples(st.sampled_from(KEYS), st.booleans()), max_size=2, unique_by=lambda each: each[0]).map(tuple),
)


@given(st.dictionaries(st.sampled_from(KEYS), st.just(OLD)), st.lists(programs, max_size=6))
def test_valid_are_exactly_those_that_would_read_the_same_in_their_turn(
    committed: dict[str, Version], block: list[Program]
) -> None:
    """The oracle executes serially. One exception is Fabric's: a key that the block deletes counts as changed for
    who read it, even where it was absent before."""
    simulated = [each.run(Memory(committed)) for each in block]
    codes = check(Memory(committed), *simulated)
    serial, deleted = Memory(dict(committed)), set[str]()
    for place, (program, code) in enumerate(zip(block, codes, strict=True)):
        same = program.run(serial) == simulated[place]
        assert (code == "valid") == (same and deleted.isdisjoint(program.reads))
        for key, deletes in program.writes if code == "valid" else ():
            if deletes:
                serial.public.pop(key, None)
                deleted.add(key)
            else:
                serial.public[key] = Version(5, place)
