"""SQLite files as identity uses them: one process at a time, every transaction durable when it returns."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.common.config import ConfigError


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """Opens or creates the file, locks it for this process and lays out `schema`. The connection is not for several
    threads at once. Raises ConfigError when the file is damaged, not writable or in use by another process."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(0o600)
        db = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            db.execute(f"PRAGMA {pragma}")
        db.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")
    except (sqlite3.Error, OSError) as error:
        raise ConfigError(f"cannot use {path}: {error}") from None
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Commits at the end; rolls back what an exception interrupts."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
