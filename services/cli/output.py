"""What a command prints: tables and progress bars on a terminal, tab-separated lines in a pipe, or one JSON document.

JSON goes to standard output whole and alone; progress bars go to standard error, and only on a terminal.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

Progress = Callable[[int, int], None]
Columns = Mapping[str, str]


class Output:
    """Where a command's results go. `columns` map the keys shown to their headings; JSON holds every key."""

    def __init__(self, as_json: bool = False, stream: TextIO | None = None, errors: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stream = stream or sys.stdout
        self._errors = errors or sys.stderr
        self._terminal = not as_json and self._stream.isatty()

    def rows(self, name: str, rows: Sequence[Mapping[str, Any]], columns: Columns) -> None:
        """A list, under the key `name`."""
        if self.as_json:
            self._json({name: list(rows)})
        elif self._terminal:
            self._table(rows, columns)
        else:
            self._line(columns.values())
            for row in rows:
                self._line(_text(row.get(key)) for key in columns)

    def record(self, document: Mapping[str, Any], columns: Columns) -> None:
        """One thing, a line for each key shown that has a value."""
        if self.as_json:
            self._json(document)
            return
        shown = [(heading, _text(document.get(key))) for key, heading in columns.items()]
        width = max((len(heading) for heading, text in shown if text), default=0) if self._terminal else 0
        for heading, text in shown:
            if text:
                self.say(f"{heading:<{width}}  {text}" if self._terminal else f"{heading}\t{text}")

    def say(self, text: str) -> None:
        """A line for people; nothing where JSON is asked for."""
        if not self.as_json:
            print(text, file=self._stream, flush=True)

    def raw(self, text: str) -> None:
        """Text that is the result itself, such as a certificate."""
        print(text, file=self._stream, end="" if text.endswith("\n") else "\n")

    @contextmanager
    def progress(self, description: str) -> Iterator[Progress]:
        """Gives a function to call with (done, total)."""
        if self.as_json or not self._errors.isatty():
            yield lambda done, total: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bars

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Bars(*columns, console=Console(file=self._errors), transient=True) as bars:
            task = bars.add_task(description, total=None)
            yield lambda done, total: bars.update(task, completed=done, total=total)

    def _json(self, document: Mapping[str, Any]) -> None:
        print(json.dumps(document, ensure_ascii=False, indent=2), file=self._stream)

    def _line(self, cells: Any) -> None:
        print("\t".join(cells), file=self._stream)

    def _table(self, rows: Sequence[Mapping[str, Any]], columns: Columns) -> None:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for key, heading in columns.items():
            numbers = bool(rows) and all(isinstance(row.get(key), int | float) for row in rows)
            table.add_column(heading, justify="right" if numbers else "left", overflow="fold")
        for row in rows:
            table.add_row(*(Text(_text(row.get(key))) for key in columns))
        Console(file=self._stream, highlight=False).print(table)
        if not rows:
            self.say("(none)")


def _text(value: Any) -> str:
    """A value in one line, without characters that could control a terminal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(_text(each) for each in value)
    if isinstance(value, Mapping):
        return json.dumps(value, ensure_ascii=True, sort_keys=True)
    return "".join(each if each.isprintable() else " " for each in str(value))
