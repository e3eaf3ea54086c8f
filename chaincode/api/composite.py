"""Fabric's rules for keys: simple keys, composite keys and the ranges over them.

A composite key is U+0000, the object type and each attribute, every part closed by U+0000 (Fabric's
`core/chaincode/shim`, `CreateCompositeKey`). So simple and composite keys never meet in a range, and the keys that
start with given attributes are the range [prefix, prefix + U+10FFFF). All functions are pure and raise `StubError`
with reason BAD_KEY.
"""

from __future__ import annotations

from collections.abc import Sequence

from chaincode.api.errors import StubError

DELIMITER = "\x00"
LARGEST = "\U0010ffff"
# An open start of a range begins after every composite key.
FIRST_SIMPLE_KEY = "\x01"


def create_composite_key(object_type: str, attributes: Sequence[str]) -> str:
    """The key of `attributes` within `object_type`. Raises `StubError` for text that holds U+0000 or U+10FFFF."""
    parts = (object_type, *attributes)
    for part in parts:
        _check_part(part)
    return DELIMITER + "".join(part + DELIMITER for part in parts)


def split_composite_key(key: str) -> tuple[str, list[str]]:
    """The object type and attributes of a composite key."""
    if len(key) < 2 or key[0] != DELIMITER or key[-1] != DELIMITER:
        raise StubError("BAD_KEY", "this is no composite key")
    object_type, *attributes = key[1:-1].split(DELIMITER)
    return object_type, attributes


def partial_composite_range(object_type: str, attributes: Sequence[str]) -> tuple[str, str]:
    """Start (inclusive) and end (exclusive) of the keys that start with these attributes."""
    prefix = create_composite_key(object_type, attributes)
    return prefix, prefix + LARGEST


def simple_range(start: str, end: str) -> tuple[str, str]:
    """Start (inclusive) and end (exclusive; "" is open) of a range over simple keys. An empty start is open."""
    for key in (start, end):
        if key.startswith(DELIMITER):
            raise StubError("BAD_KEY", "a range over simple keys cannot start or end at a composite key")
        _check_text(key)
    return start or FIRST_SIMPLE_KEY, end


def check_key(key: str) -> None:
    """Raises `StubError` unless `key` can be read or written: not empty, and UTF-8."""
    if not key:
        raise StubError("BAD_KEY", "a key cannot be empty")
    _check_text(key)


def check_value(value: bytes) -> None:
    """Raises `StubError` (EMPTY_VALUE) for a value that could not be told from an absent key."""
    if not value:
        raise StubError("EMPTY_VALUE", "a value cannot be empty; delete the key instead")


def _check_part(part: str) -> None:
    _check_text(part)
    if DELIMITER in part or LARGEST in part:
        raise StubError("BAD_KEY", "a part of a composite key cannot hold U+0000 or U+10FFFF")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise StubError("BAD_KEY", "a key must be valid UTF-8") from None
