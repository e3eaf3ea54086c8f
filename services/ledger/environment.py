"""An LMDB environment whose map grows: many readers, one writer at a time, used from any thread.

A read transaction is a consistent snapshot; it belongs to one thread at a time. LMDB can change the map's size only
while no transaction runs in the process, so growing waits for the readers there are and holds back new ones. A thread
must therefore neither write nor begin a second read while it reads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import lmdb

from services.ledger.durable import make_folder, sync_folder

MAX_KEY_BYTES = 511
MAP_BYTES = 1 << 30
CLOSE_SECONDS = 5.0
_MAX_READERS = 1_024
_Result = TypeVar("_Result")


class Environment:
    """`databases` are opened by name and found in `self[name]`."""

    def __init__(self, folder: Path, databases: Sequence[str], *, durable: bool, map_bytes: int = MAP_BYTES) -> None:
        """Opens or makes the environment. `durable`: each write is synchronised before it returns; else a crash of the
        machine, not of the process, may leave the environment unusable. Raises lmdb.Error."""
        make_folder(folder)
        self._environment = lmdb.open(
            str(folder),
            max_dbs=len(databases),
            map_size=map_bytes,
            max_readers=_MAX_READERS,
            sync=durable,
            mode=0o600,
            # Pages are read in no order; read-ahead would evict what is used.
            readahead=False,
        )
        # Slots of readers that a killed process has left behind.
        self._environment.reader_check()
        self._databases = {name: self._environment.open_db(name.encode()) for name in databases}
        if durable:
            # LMDB synchronises its files, not that they are there.
            sync_folder(folder)
        self._gate = threading.Condition()
        self._running = 0
        self._growing = False

    def __getitem__(self, name: str) -> Any:
        return self._databases[name]

    @contextmanager
    def read(self) -> Iterator[lmdb.Transaction]:
        """A snapshot of what is committed now."""
        with self._transaction(), self._environment.begin() as transaction:
            yield transaction

    def write(self, work: Callable[[lmdb.Transaction], _Result]) -> _Result:
        """Runs `work` in a write transaction and commits it, all or nothing. `work` may run again in a larger map."""
        while True:
            try:
                with self._transaction(), self._environment.begin(write=True) as transaction:
                    return work(transaction)
            except lmdb.MapFullError:
                self._grow()

    def sync(self) -> None:
        """What is committed is on disk when this returns."""
        self._environment.sync(True)

    def close(self) -> None:
        """Waits for what runs. What still runs after CLOSE_SECONDS keeps the environment open until the process ends:
        LMDB must not be closed under a transaction."""
        with self._gate:
            self._growing = True
            ended = self._gate.wait_for(lambda: self._running == 0, CLOSE_SECONDS)
            if ended:
                self._environment.close()
            self._growing = False
            self._gate.notify_all()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._gate:
            self._gate.wait_for(lambda: not self._growing)
            self._running += 1
        try:
            yield
        finally:
            with self._gate:
                self._running -= 1
                self._gate.notify_all()

    def _grow(self) -> None:
        with self._gate:
            self._gate.wait_for(lambda: not self._growing)
            self._growing = True
            try:
                self._gate.wait_for(lambda: self._running == 0)
                self._environment.set_mapsize(self._environment.info()["map_size"] * 2)
            finally:
                self._growing = False
                self._gate.notify_all()
