from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from chaincode.core import batch, canonical, certificate, merkle
from chaincode.core.batch import Batch, Item
from chaincode.core.record import RecordError

KEY = ec.generate_private_key(ec.SECP256R1())
SALTS = st.binary(min_size=16, max_size=16)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).map(str.encode)
CONTENTS = st.lists(
    st.tuples(TEXTS, SALTS, TEXTS, SALTS) | st.tuples(TEXTS, SALTS, st.just(b""), st.just(b"")), min_size=1, max_size=20
)
CONTENT = [(f"record {number}".encode(), bytes([number] * 16), b"input", b"i" * 16) for number in range(5)]


def sealed(contents: list[tuple[bytes, bytes, bytes, bytes]]) -> Batch:
    root, items = batch.arrange(contents)
    return Batch(root, len(items), certificate.sign(KEY, batch.statement(root, len(items))), items)


@given(CONTENTS)
def test_every_record_of_a_batch_is_proven_under_the_signed_root(contents: list[tuple[bytes, ...]]) -> None:
    root, items = batch.arrange(contents)  # type: ignore[arg-type]
    assert all(batch.is_included(item, root, len(items)) for item in items)
    assert [(item.record, item.salt, item.input, item.input_salt) for item in items] == contents


@given(CONTENTS)
def test_a_batch_reads_back_as_itself(contents: list[tuple[bytes, ...]]) -> None:
    written = sealed(contents)  # type: ignore[arg-type]
    assert batch.parse(written.encode()) == written


def test_a_single_record_is_a_batch_of_one_with_an_empty_path() -> None:
    root, (item,) = batch.arrange(CONTENT[:1])
    assert item.path == ()
    assert root == merkle.leaf_hash(bytes.fromhex(item.commitment))


@pytest.mark.parametrize(
    "changes",
    [
        {"record": b"record 9"},
        {"salt": b"s" * 16},
        {"index": 1},
        {"index": 5},
        {"path": ()},
        {"path": (b"\0" * 32,) * 3},
    ],
)
def test_a_changed_item_is_not_proven(changes: dict[str, Any]) -> None:
    root, items = batch.arrange(CONTENT)
    assert not batch.is_included(replace(items[0], **changes), root, 5)


def test_an_item_is_not_proven_in_a_tree_of_another_size_or_root() -> None:
    root, items = batch.arrange(CONTENT)
    assert not batch.is_included(items[0], root, 20)
    assert not batch.is_included(items[0], b"\0" * 32, 5)


def test_a_signature_is_good_for_one_root_one_size_and_one_key() -> None:
    written = sealed(CONTENT)
    public, other = KEY.public_key(), ec.generate_private_key(ec.SECP256R1()).public_key()
    assert batch.is_signed(written.root, 5, written.signature, public)
    assert not batch.is_signed(b"\0" * 32, 5, written.signature, public)
    assert not batch.is_signed(written.root, 4, written.signature, public)
    assert not batch.is_signed(written.root, 5, written.signature, other)
    assert not batch.is_signed(written.root, 5, written.signature[:-1], public)


def test_a_statement_says_what_it_is() -> None:
    assert batch.statement(b"\xab" * 32, 5) == b"salus.decisions/1\n5\n" + b"ab" * 32 + b"\n"


WRITTEN: dict[str, Any] = canonical.decode(sealed(CONTENT[:2]).encode())


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"root": "00"}, "root"),
        ({"root": 7}, "root"),
        ({"size": "2"}, "size"),
        ({"size": True}, "size"),
        ({"size": -1}, "size"),
        ({"signature": "***"}, "signature"),
        ({"signature": None}, "signature"),
        ({"items": []}, "items"),
        ({"items": WRITTEN["items"] * 129}, "items"),
        ({"items": [7]}, r"items\[0\]"),
        ({"more": 1}, "holds"),
    ],
)
def test_a_faulty_batch_is_refused_by_the_name_of_its_field(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(RecordError, match=named):
        batch.parse(canonical.encode(WRITTEN | changes))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"record": {}}, "record"),
        ({"salt": "00" * 15}, "salt"),
        ({"salt": "AA" * 16}, "salt"),
        ({"input": None}, "input"),
        ({"input_salt": ""}, "input_salt"),
        ({"index": 1.0}, "index"),
        ({"path": "00" * 32}, "path"),
        ({"path": ["00" * 31]}, "path"),
        ({"path": ["00" * 32] * 10}, "path"),
    ],
)
def test_a_faulty_item_is_refused_by_the_name_of_its_field(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(RecordError, match=rf"^item\.{named}"):
        batch.parse_item(WRITTEN["items"][0] | changes)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"{}"])
def test_what_is_no_batch_is_refused(body: bytes) -> None:
    with pytest.raises(RecordError):
        batch.parse(body)


def test_a_refusal_carries_no_input_and_no_salt_for_one() -> None:
    item = Item(b"record", b"s" * 16, b"", b"", 0, ())
    assert batch.parse_item(item.to_json()) == item
