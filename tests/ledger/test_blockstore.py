"""The block store: order, durability, torn tails, refusals."""

from __future__ import annotations

import errno
import os
import shutil
from itertools import pairwise
from pathlib import Path

import pytest
from fabric_protos.common import common_pb2

from services.ledger import blocks, blockstore
from services.ledger.blockstore import MAGIC, BlockStore, BlockStoreError, encode_frame, segment_name
from tests.ledger.stored import append, height, make

FIRST = segment_name(0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blocks"


def test_blocks_come_back_verbatim(folder: Path) -> None:
    store = BlockStore(folder)
    block = blocks.build(0, b"", [b"a"])
    store.append(block)
    assert store.get(0) == block.SerializeToString()
    store.close()


def test_a_store_continues_where_it_was(folder: Path) -> None:
    make(folder, 3)
    store = BlockStore(folder)
    assert store.height == 3
    assert store.last_header_hash == blocks.header_hash(store.read(2).header)
    append(store)
    assert store.height == 4
    store.close()


def test_the_chain_of_hashes_holds_across_segments(folder: Path) -> None:
    make(folder, 10, segment_bytes=300)
    assert len(list(folder.glob("*.blocks"))) > 2
    store = BlockStore(folder)
    read = [common_pb2.Block.FromString(data) for data in store.read_from(0)]
    assert [each.header.number for each in read] == list(range(10))
    assert all(blocks.header_hash(a.header) == b.header.previous_hash for a, b in pairwise(read))
    store.close()


def test_a_block_larger_than_a_segment_gets_its_own(folder: Path) -> None:
    make(folder, 3, segment_bytes=1)
    assert len(list(folder.glob("*.blocks"))) == 3
    assert height(folder) == 3


def test_an_absent_block_is_a_key_error(folder: Path) -> None:
    make(folder, 1)
    store = BlockStore(folder)
    for number in (-1, 1):
        with pytest.raises(KeyError):
            store.get(number)
    store.close()


def test_reading_follows_a_growing_store(folder: Path) -> None:
    store = BlockStore(folder)
    append(store)
    reading = store.read_from(0)
    next(reading)
    append(store)
    assert len(list(reading)) == 1
    store.close()


@pytest.mark.parametrize(("number", "previous"), [(1, b""), (0, b"x")])
def test_a_block_that_does_not_follow_is_refused(folder: Path, number: int, previous: bytes) -> None:
    store = BlockStore(folder)
    with pytest.raises(BlockStoreError, match="does not follow"):
        store.append(blocks.build(number, previous, [b"a"]))
    append(store)
    store.close()


def test_one_process_at_a_time(folder: Path) -> None:
    store = BlockStore(folder)
    with pytest.raises(BlockStoreError, match="in use"):
        BlockStore(folder)
    store.close()
    BlockStore(folder).close()


def test_each_block_is_synchronised_once(folder: Path) -> None:
    synchronised: list[int] = []
    store = BlockStore(folder, sync=synchronised.append)
    append(store, 3)
    assert len(synchronised) == 3
    store.close()


def test_what_a_killed_process_left_is_synchronised_before_it_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole in the kernel's cache is not on disk: the process may have ended between the two."""
    make(folder, 2)
    written: list[bytes] = []
    synchronised: list[int] = []
    listed: list[Path] = []

    def write(descriptor: int, data: memoryview, offset: int) -> int:
        written.append(bytes(data))
        return len(data)

    monkeypatch.setattr(os, "pwrite", write)
    monkeypatch.setattr(blockstore, "sync_folder", listed.append)
    store = BlockStore(folder, sync=synchronised.append)
    assert (written, len(synchronised), listed) == ([encode_frame(1, store.get(1))], 1, [folder])
    store.close()


def test_a_failed_synchronisation_poisons_the_store(folder: Path) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    store = BlockStore(folder, sync=fail)
    with pytest.raises(BlockStoreError, match="Input/output error"):
        append(store)
    store._sync = lambda descriptor: None
    with pytest.raises(BlockStoreError, match="takes no more blocks"):
        append(store)
    assert store.height == 0
    store.close()


def test_a_tail_torn_anywhere_is_cut_off_and_no_block_before_it_is_lost(folder: Path, tmp_path: Path) -> None:
    make(folder, 2)
    whole = (folder / FIRST).read_bytes()
    kept = whole.index(MAGIC, 1)
    for size in range(len(whole)):
        copy = tmp_path / "copy"
        copy.mkdir()
        (copy / FIRST).write_bytes(whole[:size])
        assert height(copy) == (1 if size >= kept else 0)
        assert (copy / FIRST).stat().st_size == (kept if size >= kept else 0)
        shutil.rmtree(copy)


def test_a_store_whose_tail_was_cut_takes_the_block_again(folder: Path) -> None:
    make(folder, 2)
    with (folder / FIRST).open("r+b") as file:
        file.truncate((folder / FIRST).stat().st_size - 1)
    store = BlockStore(folder)
    append(store)
    store.close()
    assert height(folder) == 2


def test_a_segment_that_was_begun_and_not_written_is_empty(folder: Path) -> None:
    make(folder, 2)
    (folder / segment_name(2)).touch()
    store = BlockStore(folder)
    append(store)
    store.close()
    assert height(folder) == 3


def test_any_changed_byte_of_a_whole_frame_is_refused(folder: Path) -> None:
    make(folder, 2)
    whole = (folder / FIRST).read_bytes()
    for position in range(len(whole)):
        damaged = bytearray(whole)
        damaged[position] ^= 0x40
        (folder / FIRST).write_bytes(damaged)
        with pytest.raises(BlockStoreError, match=rf"segment {FIRST}, offset \d+"):
            BlockStore(folder)
        # Refused, not repaired.
        assert (folder / FIRST).read_bytes() == damaged


def test_a_torn_frame_before_the_last_segment_is_refused(folder: Path) -> None:
    make(folder, 2, segment_bytes=1)
    with (folder / FIRST).open("r+b") as file:
        file.truncate(50)
    with pytest.raises(BlockStoreError, match=r"offset 0, block 0: incomplete frame"):
        height(folder)


def test_damage_in_an_earlier_segment_is_found_on_reading(folder: Path) -> None:
    make(folder, 3, segment_bytes=1)
    with (folder / FIRST).open("r+b") as file:
        file.seek(30)
        file.write(b"\xff")
    store = BlockStore(folder)
    with pytest.raises(BlockStoreError, match="offset 0, block 0: checksum does not match"):
        store.get(0)
    assert store.read(1).header.number == 1
    store.close()


def test_a_missing_segment_is_refused(folder: Path) -> None:
    make(folder, 4, segment_bytes=1)
    (folder / segment_name(2)).unlink()
    with pytest.raises(BlockStoreError, match="the next begins with block 3"):
        height(folder)


def test_a_missing_first_segment_is_refused(folder: Path) -> None:
    make(folder, 2, segment_bytes=1)
    (folder / FIRST).unlink()
    with pytest.raises(BlockStoreError, match="is missing"):
        BlockStore(folder)
