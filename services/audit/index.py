"""What the auditor searches decisions by, and in which order they come. Pure.

A decision's place is 24 bytes: transaction time in microseconds (8), block (8), index in the block (4), position in the
transaction (4), all big-endian. So places sort oldest first, and a period is a range of places. A page token is
the place where the page ended, bound to the filter it was made with.

An entry holds what is public already, the fact of emergency access, and nothing else of the private record. The
patient is in no entry: the index has SHA-256 of the pseudonym as a key, which only answers who already knows it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chaincode.core import canonical, record

PLACE_BYTES = 24
OUTCOMES = ("answered", "refused")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TOKEN_CHECK_BYTES = 8


class PageTokenError(ValueError):
    """The page token is not one that was handed out for this filter."""


@dataclass(frozen=True)
class Filter:
    """The fields set must all match; an empty one matches anything. Transaction time from `start` to before `end`."""

    model_id: str = ""
    organisation: str = ""
    patient: str = ""
    outcome: str = ""
    start: datetime | None = None
    end: datetime | None = None

    def to_json(self) -> dict[str, str]:
        """The fields set, as they stand in an export's header."""
        values = asdict(self) | {"start": _text(self.start), "end": _text(self.end)}
        return {key: value for key, value in values.items() if value}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Filter:
        """The inverse of `to_json`. Raises ValueError."""
        times: dict[str, Any] = {
            key: record.parse_time(document[key], key) for key in ("start", "end") if key in document
        }
        texts = {key: value for key, value in document.items() if key not in times}
        if not all(isinstance(value, str) and key in _FACETS for key, value in texts.items()):
            raise ValueError("the filter names a field that there is not")
        return cls(**texts, **times)

    def matches(self, entry: Entry) -> bool:
        """Whether the entry passes, the patient aside, whom an entry does not name."""
        return (
            self.model_id in ("", entry.model_id)
            and self.organisation in ("", entry.organisation)
            and self.outcome in ("", entry.outcome)
            and (self.start is None or entry.time >= self.start)
            and (self.end is None or entry.time < self.end)
        )

    def facet(self) -> bytes | None:
        """The facet that narrows most, by which to look entries up; None to walk through all of them."""
        for name in _FACETS:
            if value := getattr(self, name):
                return facet(name, value)
        return None


@dataclass(frozen=True)
class Entry:
    """One decision. `position` is its place in its transaction; `time` is the transaction's."""

    decision_id: str
    transaction_id: str
    block_number: int
    index: int
    position: int
    time: datetime
    organisation: str
    model_id: str
    model_version: str
    purpose: str
    outcome: str
    emergency: bool

    @property
    def place(self) -> bytes:
        """Where it stands among all decisions."""
        return (
            _microseconds(self.time).to_bytes(8)
            + self.block_number.to_bytes(8)
            + self.index.to_bytes(4)
            + self.position.to_bytes(4)
        )

    def facets(self, patient: str) -> Iterator[bytes]:
        """The facets under which it is found. `patient` is its pseudonym; "" where it is not known."""
        for name in _FACETS:
            if value := patient if name == "patient" else getattr(self, name):
                yield facet(name, value)

    def to_bytes(self) -> bytes:
        return canonical.encode(asdict(self) | {"time": _microseconds(self.time)})

    @classmethod
    def from_bytes(cls, data: bytes) -> Entry:
        values: dict[str, Any] = canonical.decode(data)
        return cls(**(values | {"time": _EPOCH + values["time"] * _MICROSECOND}))


# Those that narrow most come first.
_FACETS = ("patient", "model_id", "organisation", "outcome")


def facet(name: str, value: str) -> bytes:
    """The key of a facet: 17 bytes."""
    return bytes([_FACETS.index(name)]) + hashlib.sha256(value.encode()).digest()[:16]


def span(wanted: Filter) -> tuple[bytes, bytes]:
    """The places of a filter's period: from, inclusive, and to, exclusive."""
    start = _microseconds(wanted.start) if wanted.start else 0
    end = _microseconds(wanted.end) if wanted.end else 2**63
    return start.to_bytes(8), end.to_bytes(8)


def page_token(wanted: Filter, place: bytes) -> str:
    """The token of the page that follows `place`."""
    return base64.urlsafe_b64encode(place + _check(wanted, place)).decode()


def read_page_token(wanted: Filter, token: str) -> bytes:
    """The place where the former page ended. Raises PageTokenError."""
    try:
        data = base64.b64decode(token.encode(), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    place = data[:PLACE_BYTES]
    if len(data) != PLACE_BYTES + _TOKEN_CHECK_BYTES or data[PLACE_BYTES:] != _check(wanted, place):
        raise PageTokenError("the page token was not made for this search")
    return place


def _check(wanted: Filter, place: bytes) -> bytes:
    return hashlib.sha256(canonical.encode(wanted.to_json()) + place).digest()[:_TOKEN_CHECK_BYTES]


def _microseconds(time: datetime) -> int:
    return max(0, (time - _EPOCH) // _MICROSECOND)


def _text(time: datetime | None) -> str:
    return record.format_time(time) if time else ""
