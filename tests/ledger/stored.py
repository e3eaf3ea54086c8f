"""Block stores with something in them, for tests."""

from __future__ import annotations

from pathlib import Path

from services.ledger import blocks
from services.ledger.blockstore import BlockStore


def append(store: BlockStore, count: int = 1) -> None:
    """Appends blocks of two transactions each."""
    for _ in range(count):
        number = store.height
        block = blocks.build(number, store.last_header_hash, [b"first %d" % number, b"second %d" % number])
        blocks.set_codes(block, [0, 11])
        store.append(block)


def make(folder: Path, count: int, segment_bytes: int = 1 << 20) -> None:
    """A closed store of `count` blocks."""
    store = BlockStore(folder, segment_bytes=segment_bytes)
    append(store, count)
    store.close()


def height(folder: Path) -> int:
    """Opens the store, reads all of it and closes it."""
    store = BlockStore(folder)
    try:
        return len(list(store.read_from(0)))
    finally:
        store.close()
