"""Private data: staged, committed, dropped at the right time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ledger.private import LmdbPrivateStore
from services.ledger.rwset import RwsetBuilder, parse, parse_private
from services.ledger.updates import match_private


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbPrivateStore]:
    opened = LmdbPrivateStore(tmp_path / "private", map_bytes=1 << 20)
    yield opened
    opened.close()


def private(value: bytes = b"v", collection: str = "coll") -> RwsetBuilder:
    builder = RwsetBuilder()
    builder.write_private("cc", collection, "k", value)
    return builder


def data(value: bytes = b"v") -> bytes:
    return private(value).private() or b""


def test_staged_data_are_found_by_transaction(store: LmdbPrivateStore) -> None:
    store.stage("tx", data(b"1"), 0)
    store.stage("tx", data(b"1"), 0)
    store.stage("tx", data(b"2"), 0)
    store.stage("tx2", data(b"3"), 0)
    assert sorted(store.staged("tx")) == sorted([data(b"1"), data(b"2")])
    assert store.staged("t") == []


def test_a_blocks_data_are_found_by_place(store: LmdbPrivateStore) -> None:
    parts = parse_private(data())
    store.put(3, {1: parts, 2: ()}, [])
    assert store.get(3) == {1: parts}
    assert store.get(2) == {}


def test_staged_data_stay_until_a_following_block(store: LmdbPrivateStore) -> None:
    store.stage("tx", data(), 0)
    store.put(0, {0: parse_private(data())}, ["tx"])
    assert store.staged("tx")
    store.stage("tx2", data(), 1)
    store.put(1, {}, ["tx2"])
    assert not store.staged("tx")
    assert store.staged("tx2")


def test_what_belongs_to_a_block_that_is_not_there_is_dropped(store: LmdbPrivateStore) -> None:
    for number, name in enumerate(("tx", "tx2")):
        store.stage(name, data(), 0)
        store.put(number, {0: parse_private(data())}, [name])
    store.recover(1)
    assert store.get(0)
    assert not store.get(1)
    assert not store.staged("tx")
    # Its transaction was never acknowledged, and may come again.
    assert store.staged("tx2")


def test_what_never_came_back_expires(store: LmdbPrivateStore) -> None:
    store.stage("old", data(), 1)
    store.stage("new", data(), 5)
    assert store.expire(5) == 1
    assert (store.staged("old"), len(store.staged("new"))) == ([], 1)


def test_private_data_survive_opening_again(tmp_path: Path) -> None:
    first = LmdbPrivateStore(tmp_path / "private")
    first.stage("tx", data(), 0)
    first.put(0, {0: parse_private(data())}, [])
    first.close()
    again = LmdbPrivateStore(tmp_path / "private")
    assert again.staged("tx") == [data()]
    assert again.get(0) == {0: parse_private(data())}
    again.close()


def test_only_what_the_public_set_vouches_for_is_matched() -> None:
    public = parse(private(b"right").public())
    staged = [data(b"wrong"), private(b"right", "other").private() or b"", data(b"right")]
    assert match_private(public, staged) == parse_private(data(b"right"))
    assert match_private(public, [data(b"wrong")]) == ()
