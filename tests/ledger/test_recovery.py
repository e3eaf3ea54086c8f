"""What is there after a crash between the steps of a commit, and after state is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2

from services.ledger import blocks, recovery, validation
from services.ledger.recovery import RecoveryError
from services.ledger.rwset import RwsetBuilder
from services.ledger.simulator import SimulationResult
from services.ledger.transactions import parse_header
from tests.ledger.chain import HOSPITAL_A, REGULATOR, Chain
from tests.organisations import Organisations


class CrashError(Exception):
    """The process ends here."""


@pytest.fixture
def chain(organisations: Organisations, tmp_path: Path) -> Iterator[Chain]:
    opened = Chain(organisations, tmp_path / "ledger")
    yield opened
    opened.close()


def write(chain: Chain, value: bytes) -> bytes:
    """A transaction that gives a public and a private key this value."""
    builder = RwsetBuilder()
    builder.write("notes", "a", value)
    builder.write_private("notes", "secrets", "p", value)
    result = SimulationResult(builder.public(), builder.private(), b"")
    return chain.envelope(chain.propose(), result, [chain.peer(HOSPITAL_A), chain.peer(REGULATOR)])


def values(chain: Chain) -> tuple[bytes | None, bytes | None]:
    with chain.state.snapshot() as snapshot:
        found = (snapshot.get("notes", "a"), snapshot.get_private("notes", "secrets", "p"))
    public, private = (each.value if each else None for each in found)
    return public, private


def crash(*_: Any) -> None:
    raise CrashError


def test_a_commit_is_visible_and_durable(chain: Chain) -> None:
    envelope = write(chain, b"1")
    chain.cut(envelope)
    assert values(chain) == (b"1", b"1")
    chain.reopen()
    assert values(chain) == (b"1", b"1")
    status = chain.state.transaction(parse_header(envelope).transaction_id)
    assert status is not None
    assert (status.block, status.place) == (0, 0)


def test_a_block_that_state_missed_is_caught_up(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.cut(write(chain, b"1"))
    monkeypatch.setattr(chain.state, "apply", crash)
    with pytest.raises(CrashError):
        chain.cut(write(chain, b"2"))
    chain.reopen()
    assert (chain.caught_up, values(chain)) == (1, (b"2", b"2"))


def test_a_block_that_was_not_appended_is_not_there(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.cut(write(chain, b"1"))
    lost = write(chain, b"2")
    monkeypatch.setattr(chain.blocks, "append", crash)
    with pytest.raises(CrashError):
        chain.cut(lost)
    chain.reopen()
    assert (chain.caught_up, values(chain)) == (0, (b"1", b"1"))
    # Another block takes the number, with no private data of the lost one.
    chain.cut()
    assert chain.private.get(1) == {}
    # The lost transaction may be sent again, and its private data are still staged.
    assert chain.cut(lost) == ["VALID"]
    assert values(chain) == (b"2", b"2")


def test_lost_state_is_rebuilt_with_its_private_data(chain: Chain) -> None:
    for value in (b"1", b"2", b"3"):
        chain.cut(write(chain, value))
    with chain.state.snapshot() as snapshot:
        commit_hash = snapshot.commit_hash
    chain.close()
    shutil.rmtree(chain.folder / "state")
    chain._open()
    assert (chain.caught_up, values(chain)) == (3, (b"3", b"3"))
    with chain.state.snapshot() as snapshot:
        assert snapshot.commit_hash == commit_hash
        assert [each.value for each in snapshot.history("notes", "a")] == [b"3", b"2", b"1"]


def test_state_of_an_older_format_is_rebuilt_with_its_blocks_by_hash(chain: Chain) -> None:
    """Format 1 had no index of blocks."""
    for value in (b"1", b"2"):
        chain.cut(write(chain, value))
    environment = chain.state._environment
    environment.write(lambda transaction: transaction.put(b"format", b"1", db=environment["meta"]))
    chain.reopen()
    assert (chain.caught_up, values(chain)) == (2, (b"2", b"2"))
    with chain.state.snapshot() as snapshot:
        hashes = [blocks.header_hash(chain.blocks.read(number).header) for number in range(2)]
        assert [snapshot.block(each) for each in hashes] == [0, 1]


def test_private_data_that_nobody_staged_commit_by_hash(chain: Chain) -> None:
    envelope = write(chain, b"1")
    chain.private.expire(1_000)
    assert chain.cut(envelope) == ["VALID"]
    assert values(chain) == (b"1", None)


def test_staged_data_go_once_their_block_is_followed(chain: Chain) -> None:
    envelope = write(chain, b"1")
    transaction_id = parse_header(envelope).transaction_id
    chain.cut(envelope)
    assert chain.private.staged(transaction_id)
    chain.cut(write(chain, b"2"))
    assert not chain.private.staged(transaction_id)


def test_the_private_data_of_an_invalid_transaction_are_not_kept(chain: Chain) -> None:
    envelope = write(chain, b"1")
    forged = common_pb2.Envelope.FromString(envelope)
    forged.signature = b"forged"
    chain.cut(forged.SerializeToString())
    assert (values(chain), chain.private.get(0)) == ((None, None), {})


def test_a_block_store_behind_its_state_is_refused(chain: Chain) -> None:
    chain.cut(write(chain, b"1"))
    chain.close()
    shutil.rmtree(chain.folder / "blocks")
    with pytest.raises(RecoveryError, match="blocks were lost"):
        chain._open()


@pytest.mark.parametrize("lost", [("blocks",), ("blocks", "state")])
def test_a_block_store_that_is_not_there_costs_no_private_data(chain: Chain, lost: tuple[str, ...]) -> None:
    """A folder that was not mounted, say: once it is back, everything is."""
    for value in (b"1", b"2"):
        chain.cut(write(chain, value))
    chain.close()
    for name in lost:
        (chain.folder / name).rename(chain.folder / f"{name}.away")
    with pytest.raises(RecoveryError, match="blocks were lost"):
        chain._open()
    chain.close()
    shutil.rmtree(chain.folder / "blocks")
    (chain.folder / "blocks.away").rename(chain.folder / "blocks")
    chain._open()
    assert chain.private.get(1)
    assert values(chain) == (b"2", b"2")


def test_blocks_that_lead_elsewhere_than_they_say_are_refused(chain: Chain) -> None:
    chain.cut()
    block: Any = chain.build([write(chain, b"1")])
    with chain.state.snapshot() as snapshot:
        codes = validation.validate(block, snapshot, chain.rules(), datetime.now(UTC))
    blocks.set_codes(block, codes)
    blocks.set_commit_hash(block, bytes(32))
    chain.blocks.append(block)
    with pytest.raises(RecoveryError, match="block 1 does not have the commit hash"):
        recovery.catch_up(chain.state, chain.blocks, chain.private)


def test_commit_hashes_begin_with_block_1_and_chain(chain: Chain) -> None:
    """core/ledger/kvledger: block 0 has none."""
    for value in (b"1", b"2"):
        chain.cut(write(chain, value))
    first, second = (blocks.get_commit_hash(chain.blocks.read(number)) for number in range(2))
    assert (first, len(second)) == (b"", 32)
