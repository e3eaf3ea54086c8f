from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.core import canonical

TEXT = st.text(st.characters(codec="utf-8"))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**53), 2**53)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(VALUES)
def test_a_value_reads_back_as_itself(value: object) -> None:
    assert canonical.decode(canonical.encode(value)) == value


@given(st.dictionaries(TEXT, NUMBERS, min_size=2))
def test_the_order_of_keys_does_not_matter(value: dict[str, float]) -> None:
    assert canonical.encode(dict(reversed(value.items()))) == canonical.encode(value)


@given(VALUES)
def test_white_space_and_escapes_of_another_writer_disappear(value: object) -> None:
    written = json.dumps(value, indent=2, ensure_ascii=True).encode()
    assert canonical.encode(canonical.decode(written)) == canonical.encode(value)


def test_the_form_is_sorted_compact_utf_8() -> None:
    assert canonical.encode({"b": [1, 2.5, 1e-9], "a": "é\n"}) == '{"a":"é\\n","b":[1,2.5,1e-09]}'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": -float("inf")}, b"bytes", {1, 2}, "\ud800"])
def test_what_json_cannot_hold_is_not_encoded(value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (any message)
        canonical.encode(value)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"{} {}", b"NaN", b"[Infinity]", b"1e999", b"9" * 5000, b'{"a":1,"a":2}', b'"\xff"', rb'"\ud800"',
     b"\xef\xbb\xbf{}", b"[" * 100_000],
)  # fmt: skip
def test_what_is_not_one_clean_document_is_not_decoded(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  (any message)
        canonical.decode(data)
