"""Strict reading of JSON objects that others wrote: every fault is collected and named by its path.

A `Fields` hands out each member once, checked; what is wrong goes to the list of faults and a harmless value comes
back, so that one pass finds everything. The caller looks at the faults before it uses what it read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from typing import Any

MAX_TEXT = 10_000

PSEUDONYM = re.compile(r"[0-9a-f]{32}")
DECISION_ID = re.compile(r"[0-9a-f]{32}")
SHA256 = re.compile(r"[0-9a-f]{64}")
MSP_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]{0,63}")
IDENTIFIER = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
DATA_CLASS = re.compile(r"[a-z][a-z0-9-]{0,63}")


class Fields:
    """The members of one object. `path` leads to it, "" for the document itself."""

    def __init__(self, value: object, path: str, faults: list[str]) -> None:
        self.path = path
        self.faults = faults
        self._members: dict[str, Any] = {}
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            self._members = dict(value)
        else:
            faults.append(f"{path or 'the document'} takes an object")

    def fault(self, name: str, takes: str) -> None:
        """Adds a fault of one member."""
        self.faults.append(f"{self.at(name)} {takes}")

    def at(self, name: str) -> str:
        """The path of a member."""
        return f"{self.path}.{name}" if self.path else name

    def raw(self, name: str, *, default: Any = ...) -> Any:
        """A member as it is."""
        if name in self._members:
            return self._members.pop(name)
        if default is ...:
            self.fault(name, "is missing")
            return None
        return default

    def text(
        self, name: str, pattern: re.Pattern[str] | None = None, *, default: str | None = None, limit: int = MAX_TEXT
    ) -> str:
        """A string that matches the whole pattern; without one, a string that is not blank. A default makes it optional.

        With the default "", the empty string is also taken when given.
        """
        absent = name not in self._members
        value = self.raw(name, default=... if default is None else default)
        if absent or (default == "" and value == ""):
            return value or ""
        if not isinstance(value, str):
            self.fault(name, "takes text")
        elif len(value) > limit:
            self.fault(name, f"takes at most {limit} characters")
        elif pattern is not None and not pattern.fullmatch(value):
            self.fault(name, f"takes text of the form {pattern.pattern}")
        elif not value.strip():
            self.fault(name, "takes text that is not blank")
        else:
            return value
        return ""

    def choice(self, name: str, options: Collection[str], *, default: str | None = None) -> str:
        """One of several strings."""
        absent = name not in self._members
        value = self.raw(name, default=... if default is None else default)
        if absent:
            return default or ""
        if not isinstance(value, str) or value not in options:
            self.fault(name, f"takes one of {', '.join(options)}")
            return ""
        return value

    def number(
        self, name: str, low: float = -math.inf, high: float = math.inf, *, default: float | None = None
    ) -> float:
        """A finite number, low <= n <= high, as a float."""
        absent = name not in self._members
        value = self.raw(name, default=... if default is None else default)
        if absent:
            return math.nan if default is None else default
        found = as_number(value)
        if found is None or not low <= found <= high:
            self.fault(name, f"takes a number{_span(low, high)}")
            return math.nan
        return found

    def whole(self, name: str, low: int, high: int, *, default: int | None = None) -> int:
        """A whole number, low <= n <= high."""
        absent = name not in self._members
        value = self.raw(name, default=... if default is None else default)
        if absent:
            return low if default is None else default
        if type(value) is not int or not low <= value <= high:
            self.fault(name, f"takes a whole number from {low} to {high}")
            return low
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        """True or false."""
        value = self.raw(name, default=default)
        if not isinstance(value, bool):
            self.fault(name, "takes true or false")
            return default
        return value

    def items(self, name: str, low: int, high: int, *, optional: bool = False) -> list[Any]:
        """A list of low to high members."""
        absent = name not in self._members
        value = self.raw(name, default=[] if optional else ...)
        if absent:
            return []
        if not isinstance(value, list) or not low <= len(value) <= high:
            self.fault(name, f"takes a list of {low} to {high}")
            return []
        return value

    def texts(self, name: str, pattern: re.Pattern[str], high: int) -> tuple[str, ...]:
        """An optional list of distinct strings that match the pattern."""
        found = self.items(name, 0, high, optional=True)
        if not all(isinstance(each, str) and pattern.fullmatch(each) for each in found):
            self.fault(name, f"takes texts of the form {pattern.pattern}")
            return ()
        if len(set(found)) < len(found):
            self.fault(name, "names something twice")
        return tuple(found)

    def nested(self, name: str, *, optional: bool = False) -> Fields:
        """A member that is an object."""
        absent = name not in self._members
        value = self.raw(name, default={} if optional else ...)
        return Fields({} if absent else value, self.at(name), [] if absent else self.faults)

    def each(self, name: str, low: int, high: int, *, optional: bool = False) -> Iterator[Fields]:
        """A member that is a list of objects."""
        for index, value in enumerate(self.items(name, low, high, optional=optional)):
            yield Fields(value, f"{self.at(name)}[{index}]", self.faults)

    def close(self) -> None:
        """Adds a fault for each member that nobody asked for."""
        for name in self._members:
            self.fault(name, "is not known")


def as_number(value: object) -> float | None:
    """The finite number that a JSON value is, or None; true and false are no numbers, and -0 is 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found + 0.0 if math.isfinite(found) else None


def _span(low: float, high: float) -> str:
    if math.isinf(low):
        return "" if math.isinf(high) else f" of at most {high:g}"
    return f" of {low:g} or more" if math.isinf(high) else f" from {low:g} to {high:g}"
