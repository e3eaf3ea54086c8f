"""Composite keys: Fabric's core/chaincode/shim, CreateCompositeKey and SplitCompositeKey."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.api import composite
from chaincode.api.errors import StubError

parts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\U0010ffff"), max_size=8)


def test_a_composite_key_has_fabrics_bytes() -> None:
    assert composite.create_composite_key("model", ["x", "1"]) == "\x00model\x00x\x001\x00"


@given(parts, st.lists(parts, max_size=4))
def test_splitting_gives_back_what_was_joined(object_type: str, attributes: list[str]) -> None:
    key = composite.create_composite_key(object_type, attributes)
    assert composite.split_composite_key(key) == (object_type, attributes)


@given(parts, st.lists(parts, max_size=4), st.lists(parts, max_size=4))
def test_a_key_is_in_the_range_of_every_prefix_of_its_attributes(
    object_type: str, first: list[str], rest: list[str]
) -> None:
    start, end = composite.partial_composite_range(object_type, first)
    key = composite.create_composite_key(object_type, first + rest)
    assert start <= key < end


@pytest.mark.parametrize("part", ["a\x00", "\U0010ffff", "\ud800"])
def test_a_part_cannot_hold_what_would_make_keys_ambiguous(part: str) -> None:
    with pytest.raises(StubError, match="BAD_KEY"):
        composite.create_composite_key("model", [part])


@pytest.mark.parametrize("key", ["", "\x00", "model", "\x00model"])
def test_a_simple_key_is_not_split(key: str) -> None:
    with pytest.raises(StubError, match="BAD_KEY"):
        composite.split_composite_key(key)
