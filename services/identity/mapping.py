"""Which pseudonym belongs to which patient: the one thing here that must be erasable.

It has a file of its own, so that erasing is quick and backups of the rest need not hold it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from services.identity.sqlite import open_database, transaction


class Mapping(Protocol):
    """From locators (see `services.identity.pseudonym`) to pseudonyms, by organisation."""

    def find(self, msp_id: str, locator: bytes) -> str | None: ...

    def knows(self, msp_id: str, pseudonym: str) -> bool: ...

    def add(self, msp_id: str, locator: bytes, pseudonym: str) -> None:
        """Durable on return."""

    def erase(self, msp_id: str, *, locator: bytes = b"", pseudonym: str = "") -> bool:
        """Removes the row; on return no trace of it is left in the files. False when there was none."""


_SCHEMA = """
CREATE TABLE IF NOT EXISTS pseudonyms (msp_id TEXT, locator BLOB, pseudonym TEXT,
    PRIMARY KEY (msp_id, locator), UNIQUE (msp_id, pseudonym)) WITHOUT ROWID;
"""


class SqliteMapping:
    """The mapping in one SQLite file.

    Deleting zeroes the row in place, but pages that were split earlier may hold copies of it, and so does the log:
    after an erasure the file is built anew and the log cut off. `user_version` 1 marks that as still to be done, so a
    crash before its end is made good at the next opening. What the disk's own blocks remember is out of reach.
    """

    def __init__(self, path: Path) -> None:
        """Raises ConfigError."""
        self._db = open_database(path, _SCHEMA)
        if self._db.execute("PRAGMA user_version").fetchone()[0]:
            self._rebuild()

    def close(self) -> None:
        self._db.close()

    def find(self, msp_id: str, locator: bytes) -> str | None:
        row = self._db.execute(
            "SELECT pseudonym FROM pseudonyms WHERE msp_id = ? AND locator = ?", (msp_id, locator)
        ).fetchone()
        return row and str(row[0])

    def knows(self, msp_id: str, pseudonym: str) -> bool:
        query = "SELECT 1 FROM pseudonyms WHERE msp_id = ? AND pseudonym = ?"
        return self._db.execute(query, (msp_id, pseudonym)).fetchone() is not None

    def add(self, msp_id: str, locator: bytes, pseudonym: str) -> None:
        with transaction(self._db) as db:
            db.execute("INSERT INTO pseudonyms VALUES (?, ?, ?)", (msp_id, locator, pseudonym))

    def erase(self, msp_id: str, *, locator: bytes = b"", pseudonym: str = "") -> bool:
        with transaction(self._db) as db:
            erased = db.execute(
                "DELETE FROM pseudonyms WHERE msp_id = ? AND (locator = ? OR pseudonym = ?)",
                (msp_id, locator, pseudonym),
            ).rowcount
            if erased:
                db.execute("PRAGMA user_version = 1")
        if erased:
            self._rebuild()
        return erased > 0

    def _rebuild(self) -> None:
        self._db.execute("VACUUM")
        self._db.execute("PRAGMA user_version = 0")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
