"""Pseudonyms: made with a key, found again, erased without a trace."""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.config import ConfigError
from services.identity import pseudonym
from services.identity.mapping import SqliteMapping

KEY = bytes(32)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_a_pseudonym_depends_on_the_random_value(salt: bytes, other: bytes) -> None:
    same = pseudonym.make(KEY, "MRN-1", salt) == pseudonym.make(KEY, "MRN-1", other)
    assert same == (salt == other)
    assert len(pseudonym.make(KEY, "MRN-1", salt)) == 32


@given(st.text(min_size=1, max_size=50), st.text(min_size=1, max_size=50))
def test_locators_are_equal_for_equal_identifiers_only(one: str, other: str) -> None:
    assert (pseudonym.locator(KEY, one) == pseudonym.locator(KEY, other)) == (one == other)
    assert pseudonym.locator(KEY, one) != pseudonym.locator(bytes([1]) * 32, one)


def test_spellings_of_one_identifier_are_one() -> None:
    assert pseudonym.normalise(" Mu\u0308ller-7 ") == pseudonym.normalise("M\u00fcller-7")


@pytest.mark.parametrize("identifier", ["", "   ", "x" * 257])
def test_an_identifier_of_no_or_too_much_length_is_refused(identifier: str) -> None:
    with pytest.raises(ValueError, match="1 to 256"):
        pseudonym.normalise(identifier)


def test_an_erased_row_leaves_no_trace_in_the_files(tmp_path: Path) -> None:
    mapping = SqliteMapping(tmp_path / "data" / "pseudonyms.sqlite3")
    # Enough rows, in random order, for pages to be split over and over.
    rows = [(secrets.token_bytes(32), secrets.token_hex(16)) for _ in range(300)]
    for locator, name in rows:
        mapping.add("HospitalAMSP", locator, name)
    erased, kept = rows[:8], rows[8:]
    for locator, name in erased[:4]:
        assert mapping.erase("HospitalAMSP", locator=locator)
        assert not mapping.knows("HospitalAMSP", name)
    for _, name in erased[4:]:
        assert mapping.erase("HospitalAMSP", pseudonym=name)
    content = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir())
    assert not [name for locator, name in erased if locator in content or name.encode() in content]
    assert all(mapping.find("HospitalAMSP", locator) == name for locator, name in kept)


def test_erasing_concerns_one_organisation(tmp_path: Path) -> None:
    mapping = SqliteMapping(tmp_path / "pseudonyms.sqlite3")
    mapping.add("HospitalAMSP", b"locator", "0" * 32)
    assert not mapping.erase("HospitalBMSP", pseudonym="0" * 32)
    assert mapping.knows("HospitalAMSP", "0" * 32)


def test_an_erasure_cut_short_is_completed_at_the_next_opening(tmp_path: Path) -> None:
    path = tmp_path / "pseudonyms.sqlite3"
    mapping = SqliteMapping(path)
    mapping.add("HospitalAMSP", b"l" * 32, "0" * 32)
    mapping.close()
    db = sqlite3.connect(path)
    db.executescript("PRAGMA secure_delete = OFF; BEGIN; DELETE FROM pseudonyms; PRAGMA user_version = 1; COMMIT;")
    db.close()
    SqliteMapping(path).close()
    content = b"".join(each.read_bytes() for each in tmp_path.iterdir())
    assert b"l" * 32 not in content
    assert sqlite3.connect(path).execute("PRAGMA user_version").fetchone() == (0,)


def test_a_file_in_use_or_damaged_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "pseudonyms.sqlite3"
    held = SqliteMapping(path)
    with pytest.raises(ConfigError, match="locked"):
        SqliteMapping(path)
    held.close()
    path.write_bytes(b"no database " * 400)
    with pytest.raises(ConfigError, match="not a database"):
        SqliteMapping(path)
