"""Following the ledger: each block once, in order, whatever breaks."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from chaincode.core import merkle
from services.audit.follower import ForkError, read_block
from services.audit.index import Filter
from services.audit.leaf import leaf_hash
from services.audit.store import IndexedBlock, LmdbStore
from services.audit.transaction import read_id
from services.common.config import ConfigError
from services.ledger import blocks
from tests.audit.ledger import CHANNEL, POLICY, RecordedLedger, follow
from tests.chaincode.callers import HOSPITAL_A
from tests.chaincode.clinic import ANN, BEN, Question

MVCC_READ_CONFLICT = 11


async def test_every_transaction_has_a_leaf_under_its_validation_code(ledger: RecordedLedger, tmp_path: Path) -> None:
    ledger.record(Question("r1"))
    ledger.record(Question("r2"), code=MVCC_READ_CONFLICT)
    with LmdbStore(tmp_path / "store", CHANNEL) as store:
        await follow(ledger, store)
        position = store.position()
        expected = [
            leaf_hash(CHANNEL, block.header.number, index, read_id(envelope), envelope, code)
            for block in ledger.chain
            for index, (envelope, code) in enumerate(zip(block.data.data, blocks.codes(block), strict=True))
        ]
        assert (position.tree.size, position.tree.root()) == (3, merkle.root(expected))
        for index, each in enumerate(expected):
            assert merkle.verify_inclusion(each, index, 3, store.prove(index, 3), position.tree.root())


async def test_decisions_are_those_of_valid_transactions(ledger: RecordedLedger, tmp_path: Path) -> None:
    [kept] = ledger.record(Question("r1"))
    ledger.record(Question("r2"), code=MVCC_READ_CONFLICT)
    with LmdbStore(tmp_path / "store", CHANNEL) as store:
        await follow(ledger, store)
        assert [entry.decision_id for entry in store.find(Filter(), 10)] == [kept]


async def test_the_policy_of_decisions_is_taken_from_the_configuration(ledger: RecordedLedger, tmp_path: Path) -> None:
    ledger.record(Question("r1"))
    ledger.configure("OR('RegulatorMSP.peer')")
    with LmdbStore(tmp_path / "store", CHANNEL) as store:
        await follow(ledger, store)
        assert store.position().policies == ((0, POLICY), (2, "OR('RegulatorMSP.peer')"))


async def test_a_restart_goes_on_after_the_last_block(ledger: RecordedLedger, tmp_path: Path) -> None:
    ids = ledger.record(Question("r1"))
    with LmdbStore(tmp_path / "store", CHANNEL) as store:
        await follow(ledger, store)
    ids += ledger.record(Question("r2"), Question("r3", patient=BEN))
    with LmdbStore(tmp_path / "store", CHANNEL) as store:
        await follow(ledger, store)
        assert store.position().tree.size == 3
        # Of one transaction, in the order of its write set: by id.
        assert {entry.decision_id for entry in store.find(Filter(), 10)} == set(ids)
    assert ledger.asked == [0, 1]


async def test_a_broken_stream_is_followed_again_without_repeating(ledger: RecordedLedger, tmp_path: Path) -> None:
    ids = [decision for number in range(5) for decision in ledger.record(Question(f"r{number}", x=float(number)))]
    ledger.break_after = 2
    with LmdbStore(tmp_path / "store", CHANNEL) as store:

        async def mend(seconds: float) -> None:
            delays.append(seconds)
            if len(delays) == 3:
                ledger.break_after = None

        delays: list[float] = []
        await follow(ledger, store, mend)
        assert store.position().tree.size == 6
        assert sorted(entry.decision_id for entry in store.find(Filter(), 10)) == sorted(ids)
    assert ledger.asked == [0, 1, 2, 3]
    assert delays == [0.1, 0.1, 0.1]


async def test_waits_grow_while_nothing_arrives(ledger: RecordedLedger, tmp_path: Path) -> None:
    ledger.break_after = 0
    delays: list[float] = []

    async def mend(seconds: float) -> None:
        delays.append(seconds)
        if len(delays) == 9:
            ledger.break_after = None

    with LmdbStore(tmp_path / "store", CHANNEL) as store:
        await follow(ledger, store, mend)
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


async def test_another_ledger_is_refused(ledger: RecordedLedger, tmp_path: Path) -> None:
    ledger.record(Question("r1"))
    with LmdbStore(tmp_path / "store", CHANNEL) as store:
        await follow(ledger, store)
        before = store.position()
        del ledger.chain[1:]
        ledger.configure(POLICY)
        with pytest.raises(ForkError, match="block 1 does not continue"):
            await follow(ledger, store)
        assert store.position() == before


async def test_an_altered_block_is_refused(ledger: RecordedLedger, tmp_path: Path) -> None:
    ledger.record(Question("r1"))
    ledger.chain[1].data.data[0] = ledger.chain[1].data.data[0][:-1]
    with LmdbStore(tmp_path / "store", CHANNEL) as store:
        with pytest.raises(ForkError, match="block 1 does not continue"):
            await follow(ledger, store)
        assert store.position().height == 1


async def test_an_erased_record_is_indexed_without_its_patient(ledger: RecordedLedger, tmp_path: Path) -> None:
    [decision_id] = ledger.record(Question("r1"))
    del ledger.items[HOSPITAL_A, decision_id]
    with LmdbStore(tmp_path / "store", CHANNEL) as store:
        await follow(ledger, store)
        assert [entry.decision_id for entry in store.find(Filter(), 10)] == [decision_id]
        assert store.find(Filter(patient=ANN.name), 10) == []


async def test_unreadable_transactions_have_leaves(ledger: RecordedLedger) -> None:
    ledger.append([b"\xff", b""], [2, 1])
    assert len(read_block(CHANNEL, ledger.chain[-1]).leaves) == 2


async def test_a_block_is_stored_once(ledger: RecordedLedger, tmp_path: Path) -> None:
    block = IndexedBlock(0, b"head", [bytes(32)])
    with LmdbStore(tmp_path / "store", CHANNEL) as store:
        store.append(block)
        with pytest.raises(ValueError, match="block 0 is not the next one, 1"):
            store.append(block)
        store.append(dataclasses.replace(block, number=1))
        assert store.position().tree.size == 2


def test_a_store_belongs_to_one_channel(tmp_path: Path) -> None:
    LmdbStore(tmp_path / "store", CHANNEL).close()
    with pytest.raises(ConfigError, match="another channel"):
        LmdbStore(tmp_path / "store", "other")


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")
    with pytest.raises(ConfigError, match="store cannot be opened"):
        LmdbStore(tmp_path / "store", CHANNEL)
