"""Canonical JSON: one value, one sequence of bytes.

Keys sorted by code point, no white space, UTF-8, numbers as Python writes them (the shortest form that reads back the
same double). It is what Salus hashes and signs when it makes a document; documents that others made are kept and
verified verbatim, never encoded again.
"""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any, NoReturn

# Of a whole number, sign included: what 64 bits hold.
MAX_DIGITS = 20


def encode(value: Any) -> bytes:
    """The canonical bytes of a JSON value. Raises ValueError for NaN, infinities and what JSON cannot hold."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except TypeError as error:
        raise ValueError(str(error)) from None


def decode(data: bytes) -> Any:
    """The value of JSON bytes. Raises ValueError for anything but one JSON document, and for NaN, repeated keys,
    numbers that no double holds and text that UTF-8 cannot hold."""
    text = data.decode()
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
            object_pairs_hook=_unique,
        )
    except RecursionError:
        raise ValueError("the JSON document is nested too deeply") from None
    if "\\u" in text:  # the one way to half a surrogate pair
        encode(value)
    return value


def sha256_hex(data: bytes) -> str:
    """SHA-256 in lower-case hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("a number is too large")
    return value


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError("a number is too large")
    return int(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a JSON object names a key twice")
    return value
