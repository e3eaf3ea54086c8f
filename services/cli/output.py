"""What a command prints: tables and progress bars on a terminal, tab-separated lines in a pipe, or one JSON document.

JSON goes to standard output whole and alone; progress bars go to standard error, and only on a terminal.

On a terminal too narrow for a table, times lose what is below seconds, ids their end, and columns that tell nothing are
left out; but the first column, by which a row is called, stays whole. Where that does not do, each row is a block.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

Progress = Callable[[int, int], None]
Columns = Mapping[str, str]

_SHORT_ID = 12
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+Z")
_ID = re.compile(r"[0-9a-f]{32,}")


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

    def note(self, text: str) -> None:
        """A line for people beside the result, on standard error; nothing where JSON is asked for."""
        if not self.as_json:
            print(text, file=self._errors, flush=True)

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

        console = Console(file=self._stream, highlight=False)
        cells = {key: [_text(row.get(key)) for row in rows] for key in columns}
        narrow = bool(rows) and _width(cells, columns, gap=2) > console.width
        if narrow:
            cells = _shortened(cells)
            if _width(cells, columns, gap=1) > console.width:
                self._blocks(rows, columns)
                return
        table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=narrow)
        for key in cells:
            numbers = bool(rows) and all(isinstance(row.get(key), int | float) for row in rows)
            table.add_column(
                columns[key],
                justify="right" if numbers else "left",
                overflow="fold",
                min_width=_longest_word(columns[key], cells[key]),
            )
        for texts in zip(*cells.values(), strict=True):
            table.add_row(*map(Text, texts))
        console.print(table)
        if not rows:
            self.say("(none)")

    def _blocks(self, rows: Sequence[Mapping[str, Any]], columns: Columns) -> None:
        for number, row in enumerate(rows):
            if number:
                self.say("")
            self.record(row, columns)


def _width(cells: Mapping[str, Sequence[str]], columns: Columns, gap: int) -> int:
    """The least width of a table in which no word is broken, columns being `gap` apart."""
    return sum(_longest_word(columns[key], texts) + gap for key, texts in cells.items()) - gap


def _longest_word(heading: str, texts: Sequence[str]) -> int:
    from rich.cells import cell_len

    words = (word for text in texts for word in text.split())
    return max(cell_len(heading), max(map(cell_len, words), default=0))


def _shortened(cells: Mapping[str, list[str]]) -> dict[str, list[str]]:
    first, *_ = cells
    return {
        key: [_short(text, keep_id=key == first) for text in texts]
        for key, texts in cells.items()
        if key == first or any(text not in ("", "no") for text in texts)
    }


def _short(text: str, *, keep_id: bool) -> str:
    if time := _TIME.fullmatch(text):
        return f"{time[1]}Z"
    return text[:_SHORT_ID] if _ID.fullmatch(text) and not keep_id else text


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
