"""What commands print, on a terminal, in a pipe, and as JSON."""

from __future__ import annotations

import io
import json
import re

import pytest

from services.cli.output import Output

ROWS = [{"id": "a", "ready": True, "extra": 1}, {"id": "b", "ready": False, "extra": None}]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_rows_are_tab_separated_in_a_pipe() -> None:
    stream = io.StringIO()
    Output(stream=stream).rows("things", ROWS, {"id": "ID", "ready": "READY"})
    assert stream.getvalue() == "ID\tREADY\na\tyes\nb\tno\n"


def test_json_holds_every_key_and_nothing_else_is_printed() -> None:
    stream = io.StringIO()
    output = Output(as_json=True, stream=stream)
    output.say("for people")
    output.rows("things", ROWS, {"id": "ID"})
    assert json.loads(stream.getvalue()) == {"things": ROWS}


def test_rows_are_a_table_on_a_terminal() -> None:
    stream = Terminal()
    Output(stream=stream).rows("things", ROWS, {"id": "ID", "ready": "READY"})
    plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert [line.split() for line in plain.splitlines()] == [["ID", "READY"], ["a", "yes"], ["b", "no"]]


USE = {
    "decision_id": "0123456789abcdef" * 2,
    "time": "2026-03-02T12:00:00.123456Z",
    "organisation": "HospitalAMSP",
    "model_id": "breast-cancer",
    "outcome": "answered",
    "emergency": False,
}


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_word_is_broken_however_narrow_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = Terminal()
    Output(stream=stream).rows("uses", [USE], {key: key.upper() for key in USE})
    words = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).split()
    assert {"TIME", "ORGANISATION", "MODEL_ID", "HospitalAMSP", "breast-cancer", "answered", USE["decision_id"]} <= {
        *words,
    }


def test_a_narrow_table_has_short_times_and_ids_but_the_rows_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    row = {"id": "a" * 32, "time": "2026-03-02T12:00:00.123456Z", "decision_id": "b" * 32, "emergency": False}
    Output(stream=stream).rows("uses", [row], {key: key.upper() for key in row})
    plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    heading, line = plain.splitlines()
    assert heading.split() == ["ID", "TIME", "DECISION_ID"]
    assert line.split() == ["a" * 32, "2026-03-02T12:00:00Z", "b" * 12]


def test_rows_too_wide_for_any_table_are_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    Output(stream=stream).rows("uses", [USE, USE], {"decision_id": "DECISION", "time": "TIME"})
    assert [line.split() for line in stream.getvalue().splitlines()] == [
        ["DECISION", USE["decision_id"]],
        ["TIME", USE["time"]],
        [],
        ["DECISION", USE["decision_id"]],
        ["TIME", USE["time"]],
    ]


def test_an_empty_table_says_so() -> None:
    stream = Terminal()
    Output(stream=stream).rows("things", [], {"id": "ID"})
    assert "(none)" in stream.getvalue()


def test_a_record_leaves_out_what_has_no_value() -> None:
    stream = io.StringIO()
    Output(stream=stream).record({"a": "x", "b": None}, {"a": "A", "b": "B"})
    assert stream.getvalue() == "A\tx\n"


def test_text_of_others_cannot_control_the_terminal() -> None:
    for stream in (io.StringIO(), Terminal()):
        Output(stream=stream).rows("things", [{"id": "a\x1b[2J\nb[red]c"}], {"id": "ID"})
        assert "\x1b[2J" not in stream.getvalue()
        assert "[red]" in stream.getvalue()


def test_progress_is_silent_unless_on_a_terminal() -> None:
    errors = io.StringIO()
    with Output(errors=errors, stream=io.StringIO()).progress("asking") as progress:
        progress(1, 2)
    assert errors.getvalue() == ""


def test_progress_is_shown_on_a_terminal() -> None:
    errors = Terminal()
    with Output(errors=errors, stream=io.StringIO()).progress("asking") as progress:
        progress(1, 2)
    assert "asking" in errors.getvalue()
