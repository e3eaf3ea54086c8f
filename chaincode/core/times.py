"""Points in time as text: RFC 3339 in UTC with microseconds, always 27 characters, so that text sorts as time does."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)


def format_time(time: datetime) -> str:
    """The text of a point in time. Raises ValueError for one without a time zone."""
    if time.utcoffset() is None:
        raise ValueError("a point in time needs a time zone")
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_time(text: str) -> datetime:
    """The point in time that `format_time` wrote. Raises ValueError for any other form."""
    if not _FORM.fullmatch(text):
        raise ValueError("a time has the form 2026-01-31T23:59:59.000000Z")
    return datetime.fromisoformat(text)
