"""The check of a block store finds everything, and nothing in a sound one."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ledger import blocks, fsck
from services.ledger.blockstore import MAGIC, encode_frame, segment_name
from tests.ledger.stored import make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "blocks"


def frames(folder: Path, *built: object) -> None:
    """Writes blocks as they are, each in a sound frame."""
    folder.mkdir()
    data = b"".join(encode_frame(number, each.SerializeToString()) for number, each in enumerate(built))  # type: ignore[attr-defined]
    (folder / segment_name(0)).write_bytes(data)


def block(number: int, previous: bytes, codes: int = 1) -> object:
    built = blocks.build(number, previous, [b"a"])
    if codes:
        blocks.set_codes(built, [0])
    return built


def found(folder: Path) -> list[tuple[int, str]]:
    return [(damage.block, damage.what) for damage in fsck.check(folder)]


def test_a_sound_store_has_no_damage(folder: Path) -> None:
    make(folder, 5, segment_bytes=300)
    assert fsck.check(folder) == []


def test_a_folder_without_blocks_is_not_called_sound(folder: Path) -> None:
    make(folder, 0)
    assert found(folder) == [(0, "there are no blocks here")]


def test_every_flipped_byte_is_found_in_its_segment(folder: Path) -> None:
    make(folder, 4, segment_bytes=400)
    paths = sorted(folder.glob("*.blocks"))
    assert len(paths) == 2
    for path in paths:
        whole = path.read_bytes()
        for position in range(len(whole)):
            damaged = bytearray(whole)
            damaged[position] ^= 0x01
            path.write_bytes(damaged)
            damages = fsck.check(folder)
            assert damages, f"byte {position} of {path.name}"
            assert damages[0].segment == path.name
            assert damages[0].offset <= position
        path.write_bytes(whole)


def test_one_damaged_block_is_one_damage(folder: Path) -> None:
    make(folder, 3)
    path = folder / segment_name(0)
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(whole)
    assert found(folder) == [(1, "checksum does not match")]


def test_what_follows_a_damaged_frame_header_is_checked(folder: Path) -> None:
    make(folder, 3)
    path = folder / segment_name(0)
    whole = bytearray(path.read_bytes())
    whole[whole.index(MAGIC, 1)] ^= 0xFF
    whole[-1] ^= 0xFF
    path.write_bytes(whole)
    assert found(folder) == [(1, "damaged frame header"), (2, "checksum does not match")]


def test_a_torn_tail_is_reported(folder: Path) -> None:
    make(folder, 2)
    path = folder / segment_name(0)
    path.write_bytes(path.read_bytes()[:-1])
    assert found(folder) == [(1, "incomplete frame")]


def test_a_missing_segment_is_reported(folder: Path) -> None:
    make(folder, 3, segment_bytes=1)
    (folder / segment_name(1)).unlink()
    assert found(folder) == [(2, "the segment before it ends before block 1")]


def test_a_missing_first_segment_is_reported(folder: Path) -> None:
    make(folder, 2, segment_bytes=1)
    (folder / segment_name(0)).unlink()
    assert len(found(folder)) == 1


def test_a_repeated_block_is_reported(folder: Path) -> None:
    make(folder, 1)
    path = folder / segment_name(0)
    path.write_bytes(path.read_bytes() * 2)
    assert (0, "block 1 belongs here") in found(folder)


def test_a_broken_chain_is_reported(folder: Path) -> None:
    frames(folder, block(0, b""), block(1, b"x" * 32))
    assert found(folder) == [(1, "the previous hash is not that of the block before")]


def test_another_number_in_the_header_is_reported(folder: Path) -> None:
    frames(folder, block(7, b""))
    assert found(folder) == [(0, "the header says block 7")]


def test_other_transactions_are_reported(folder: Path) -> None:
    changed = block(0, b"")
    changed.data.data[0] = b"b"  # type: ignore[attr-defined]
    frames(folder, changed)
    assert found(folder) == [(0, "the data hash does not match the transactions")]


def test_missing_validation_codes_are_reported(folder: Path) -> None:
    frames(folder, block(0, b"", codes=0))
    assert found(folder) == [(0, "there is not one validation code for each transaction")]


def test_what_is_no_block_is_reported(folder: Path) -> None:
    folder.mkdir()
    (folder / segment_name(0)).write_bytes(encode_frame(0, b"\xff"))
    assert found(folder) == [(0, "this is no common.Block")]
