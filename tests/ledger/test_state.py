"""World state, private data and what a crash between the steps of a commit leaves behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger import state as state_module
from services.ledger.environment import Environment
from services.ledger.rwset import Version
from services.ledger.state import LmdbState, StateError, TransactionStatus, fits
from services.ledger.transactions import Code
from services.ledger.updates import BlockUpdates, Modification, TransactionEntry, Write

NOON = datetime(2026, 3, 2, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[LmdbState]:
    opened = LmdbState(tmp_path / "state", map_bytes=1 << 20)
    yield opened
    opened.close()


def updates(number: int, **public: bytes | None) -> BlockUpdates:
    writes = {key: Write(value, Version(number, 0)) for key, value in public.items()}
    return BlockUpdates(number, public={"cc": writes} if writes else {})


def test_a_new_state_is_empty(state: LmdbState) -> None:
    assert state.height == 0
    with state.snapshot() as snapshot:
        assert (snapshot.height, snapshot.commit_hash, snapshot.get("cc", "a")) == (0, b"", None)


def test_a_value_is_found_with_its_version(state: LmdbState) -> None:
    state.apply(updates(0, a=b"1"))
    with state.snapshot() as snapshot:
        assert snapshot.get("cc", "a") == (b"1", Version(0, 0))
        assert snapshot.get("other", "a") is None


def test_a_deleted_key_is_gone(state: LmdbState) -> None:
    state.apply(updates(0, a=b"1"))
    state.apply(updates(1, a=None))
    with state.snapshot() as snapshot:
        assert snapshot.get("cc", "a") is None


def test_blocks_are_applied_in_order_and_once(state: LmdbState) -> None:
    state.apply(updates(0))
    for number in (0, 2):
        with pytest.raises(StateError, match="does not follow"):
            state.apply(updates(number))


def test_a_block_is_found_by_the_hash_of_its_header(state: LmdbState) -> None:
    for number in range(2):
        state.apply(BlockUpdates(number, header_hash=bytes([number]) * 32))
    with state.snapshot() as snapshot:
        assert [snapshot.block(bytes([number]) * 32) for number in range(3)] == [0, 1, None]
        assert snapshot.block(b"") is snapshot.block(b"x" * 1_000) is None


def test_a_snapshot_does_not_change(state: LmdbState) -> None:
    state.apply(updates(0, a=b"1"))
    with state.snapshot() as snapshot:
        writer = threading.Thread(target=state.apply, args=(updates(1, a=b"2", b=b"3"),))
        writer.start()
        writer.join()
        assert snapshot.get("cc", "a") == (b"1", Version(0, 0))
        assert (snapshot.height, state.height) == (1, 2)
        assert [each.key for each in snapshot.range("cc", "", "")] == ["a"]


def test_an_iteration_may_be_left_open_when_its_snapshot_ends(state: LmdbState) -> None:
    state.apply(updates(0, a=b"1", b=b"2"))
    with state.snapshot() as snapshot:
        entries = snapshot.range("cc", "", "")
        assert next(entries).key == "a"
    del entries
    state.apply(updates(1, a=None))


keys = st.text(st.characters(codec="utf-8"), min_size=1, max_size=3)


@settings(max_examples=25, deadline=None)
@given(st.dictionaries(keys, st.binary(min_size=1, max_size=3), max_size=12), keys | st.just(""), keys | st.just(""))
def test_a_range_is_half_open_and_in_the_order_of_utf8(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, bytes], start: str, end: str
) -> None:
    opened = LmdbState(tmp_path_factory.mktemp("state"), map_bytes=1 << 20)
    opened.apply(updates(0, **content))
    with opened.snapshot() as snapshot:
        found = [entry.key for entry in snapshot.range("cc", start, end)]
    opened.close()
    assert found == sorted(
        (key for key in content if start <= key and (not end or key < end)), key=lambda key: key.encode()
    )


def test_ranges_stay_within_their_namespace_and_collection(state: LmdbState) -> None:
    version = Version(0, 0)
    write = {"k": Write(b"v", version)}
    block = BlockUpdates(0, public={"a": write, "ab": write}, private={("a", "c"): write, ("a", "cd"): write})
    block.hashes = {("a", "c"): {b"h" * 32: Write(b"x" * 32, version)}}
    state.apply(block)
    with state.snapshot() as snapshot:
        assert list(snapshot.range("a", "", "")) == [("k", b"v", version)]
        assert list(snapshot.range_private("a", "c", "", "")) == [("k", b"v", version)]
        assert snapshot.get_private("a", "cd", "k") == (b"v", version)
        assert snapshot.get_hash("a", "c", b"h" * 32) == (b"x" * 32, version)
        assert snapshot.get_hash("a", "cd", b"h" * 32) is None


def modification(number: int, key: str, value: bytes | None) -> Modification:
    return Modification("cc", key, Version(number, 0), f"tx{number}", NOON, value)


def test_history_is_newest_first_and_of_one_key(state: LmdbState) -> None:
    for number, value in enumerate((b"1", None, b"3")):
        block = BlockUpdates(number)
        block.history = [modification(number, key, value) for key in ("k", "k\x00", "j", "l")]
        state.apply(block)
    with state.snapshot() as snapshot:
        assert list(snapshot.history("cc", "k")) == [
            modification(number, "k", value) for number, value in ((2, b"3"), (1, None), (0, b"1"))
        ]
        assert list(snapshot.history("cc", "absent")) == []
        assert len(list(snapshot.history("cc", "l"))) == 3


def test_the_first_transaction_of_an_id_stays(state: LmdbState) -> None:
    for number, code in enumerate((Code.MVCC_READ_CONFLICT, Code.DUPLICATE_TXID)):
        state.apply(BlockUpdates(number, transactions=[TransactionEntry("tx", 3, code)]))
    assert state.transaction("tx") == TransactionStatus(0, 3, Code.MVCC_READ_CONFLICT)
    assert state.transaction("other") is None
    assert state.transaction("") is None


def test_an_id_that_its_creator_did_not_sign_is_not_taken(state: LmdbState) -> None:
    for number, code in enumerate((Code.BAD_CREATOR_SIGNATURE, Code.VALID)):
        state.apply(BlockUpdates(number, transactions=[TransactionEntry("tx", 0, code)]))
    assert state.transaction("tx") == TransactionStatus(1, 0, Code.VALID)


def test_the_longest_key_fits_and_a_longer_one_reads_as_absent(state: LmdbState) -> None:
    size = next(size for size in range(600, 0, -1) if fits("cc", "", "k" * size))
    assert size > 480
    block = updates(0, **{"k" * size: b"1"})
    block.history = [modification(0, "k" * size, b"1")]
    state.apply(block)
    with state.snapshot() as snapshot:
        assert snapshot.get("cc", "k" * size) is not None
        assert snapshot.get("cc", "k" * 2_000) is None
        assert list(snapshot.history("cc", "k" * 2_000)) == []
        assert [each.key for each in snapshot.range("cc", "k" * (size - 1), "k" * 2_000)] == ["k" * size]
        assert list(snapshot.range("cc", "k" * 2_000, "")) == []


def test_the_map_grows_when_it_is_full(state: LmdbState) -> None:
    for number in range(4):
        state.apply(updates(number, **{f"{number}/{each}": bytes(4_000) for each in range(200)}))
    with state.snapshot() as snapshot:
        assert len(list(snapshot.range("cc", "", ""))) == 800


def test_growing_waits_for_readers(tmp_path: Path) -> None:
    environment = Environment(tmp_path, ["d"], durable=False, map_bytes=1 << 16)
    wrote = threading.Event()

    def write() -> None:
        environment.write(lambda writing: writing.put(b"k", bytes(1 << 17), db=environment["d"]))
        wrote.set()

    writer = threading.Thread(target=write)
    with environment.read() as reading:
        writer.start()
        assert not wrote.wait(0.05)
        assert reading.get(b"k", db=environment["d"]) is None
    writer.join()
    with environment.read() as reading:
        assert len(reading.get(b"k", db=environment["d"]) or b"") == 1 << 17
    environment.close()


def test_closing_waits_for_readers(tmp_path: Path) -> None:
    environment = Environment(tmp_path, ["d"], durable=False)
    closed = threading.Event()

    def close() -> None:
        environment.close()
        closed.set()

    closer = threading.Thread(target=close)
    with environment.read() as reading:
        closer.start()
        assert not closed.wait(0.05)
        assert reading.get(b"k", db=environment["d"]) is None
    closer.join()
    assert closed.is_set()


def test_state_survives_closing(tmp_path: Path) -> None:
    first = LmdbState(tmp_path / "state")
    first.apply(updates(0, a=b"1"))
    first.close()
    again = LmdbState(tmp_path / "state")
    assert again.height == 1
    again.close()


def test_after_a_crash_of_the_machine_state_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = LmdbState(tmp_path / "state")
    first.apply(updates(0, a=b"1"))
    # Not closed as `close` does: the boot's mark stays.
    first._environment.close()
    monkeypatch.setattr(state_module, "_boot_id", lambda: "another boot")
    again = LmdbState(tmp_path / "state")
    assert again.height == 0
    again.close()


def test_state_that_was_half_dropped_is_dropped_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = LmdbState(tmp_path / "state")
    first.apply(updates(0, a=b"1"))
    first._environment.close()
    unlink = os.unlink

    def kill(path: Any, **options: Any) -> None:
        if Path(path).name == "data.mdb":
            raise KeyboardInterrupt
        unlink(path, **options)

    monkeypatch.setattr(state_module, "_boot_id", lambda: "another boot")
    monkeypatch.setattr(os, "unlink", kill)
    with pytest.raises(KeyboardInterrupt):
        LmdbState(tmp_path / "state")
    monkeypatch.setattr(os, "unlink", unlink)
    again = LmdbState(tmp_path / "state")
    assert again.height == 0
    again.close()


def test_a_killed_process_leaves_state_usable(tmp_path: Path) -> None:
    first = LmdbState(tmp_path / "state")
    first.apply(updates(0, a=b"1"))
    first._environment.close()
    again = LmdbState(tmp_path / "state")
    assert again.height == 1
    again.close()


@pytest.mark.parametrize("content", [b"", b"\x00" * 8192, b"nonsense" * 2048])
def test_unreadable_files_are_dropped(tmp_path: Path, content: bytes) -> None:
    LmdbState(tmp_path / "state").close()
    (tmp_path / "state" / "data.mdb").write_bytes(content)
    again = LmdbState(tmp_path / "state")
    assert again.height == 0
    again.apply(updates(0, a=b"1"))
    again.close()
