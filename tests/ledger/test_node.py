"""Opening a ledger again, opening it wrongly, and stopping when it cannot commit."""

from __future__ import annotations

import copy
import errno
import os
import shutil
from collections.abc import Callable
from typing import Any

import lmdb
import pytest

from services.common.config import ConfigError
from services.ledger import committer, genesis, recovery
from services.ledger.blockstore import BlockStoreError
from services.ledger.client import LedgerUnavailableError
from services.ledger.node import LedgerOpenError
from tests.ledger.running import OPERATOR, REGULATOR, A, B, Running, described, prepare, running
from tests.organisations import Organisations


async def fill(ledger: Running) -> None:
    client = ledger.client()
    await client.submit("sample", "Put", "k", "v")
    await client.submit("sample", "PutPrivate", "everyone", "p", transient={"value": b"private"})


async def check(ledger: Running) -> None:
    client = ledger.client()
    assert await client.evaluate("sample", "Get", "k") == b"v"
    assert await client.evaluate("sample", "GetPrivate", "everyone", "p") == b"private"


async def test_a_ledger_opened_again_has_everything_and_goes_on(organisations: Organisations) -> None:
    async with running(organisations) as ledger:
        await fill(ledger)
    async with running(organisations) as ledger:
        await check(ledger)
        assert (await ledger.client().submit("sample", "Put", "k", "v2")).block_number == 3


async def test_state_that_is_lost_is_rebuilt_from_the_blocks(organisations: Organisations) -> None:
    async with running(organisations) as ledger:
        await fill(ledger)
    shutil.rmtree(organisations.root / "ledger" / "state")
    async with running(organisations) as ledger:
        await check(ledger)


async def test_the_first_block_is_the_channels_configuration(ledger: Running) -> None:
    parsed = genesis.parse(ledger.node.read(0).data.data[0])
    assert parsed is not None
    channel, config = parsed
    assert channel == "salus"
    assert set(config.channel_group.groups["Application"].groups) == {A, B, REGULATOR}
    assert set(config.channel_group.groups["Orderer"].groups) == {OPERATOR}


def _another_channel(content: dict[str, Any]) -> None:
    content["channel"] = "other"


def _one_organisation_less(content: dict[str, Any]) -> None:
    del content["organisations"][B], content["contracts"]["sample"], content["contracts"]["other"]


@pytest.mark.parametrize(
    ("change", "clause"),
    [
        (_another_channel, "it holds channel salus, not other"),
        (_one_organisation_less, "its organisation HospitalBMSP is missing"),
    ],
)
async def test_a_ledger_of_another_network_is_refused(
    organisations: Organisations, change: Callable[[dict[str, Any]], None], clause: str
) -> None:
    async with running(organisations) as ledger:
        await fill(ledger)
    content = copy.deepcopy(described())
    change(content)
    with pytest.raises(LedgerOpenError, match="is not the network of this ledger") as caught:
        async with running(organisations, content=content):
            pass
    assert clause in str(caught.value)
    async with running(organisations, content=described()) as ledger:
        await check(ledger)


async def test_changed_contracts_are_recorded_in_a_configuration_block(organisations: Organisations) -> None:
    content = described()
    async with running(organisations, content=content) as ledger:
        await fill(ledger)
    content["contracts"]["sample"]["version"] = "1.1"
    for _ in range(2):
        async with running(organisations, content=content) as ledger:
            await check(ledger)
            assert ledger.node.height == 4
            parsed = genesis.parse(ledger.node.read(3).data.data[0])
            assert parsed is not None
            assert parsed[1].sequence == 1
            assert b'"version":"1.1"' in genesis.contracts(parsed[1].channel_group)
    async with running(organisations, content=content) as ledger:
        committed = await ledger.client().submit("sample", "Put", "k", "v")
        assert genesis.latest_number(ledger.node.read(committed.block_number)) == 3


async def test_a_ledger_is_opened_once(organisations: Organisations) -> None:
    async with running(organisations):
        with pytest.raises(LedgerOpenError, match="in use by another process"):
            async with running(organisations):
                pass


async def test_a_damaged_ledger_is_refused(organisations: Organisations) -> None:
    async with running(organisations) as ledger:
        await fill(ledger)
    (segment,) = (organisations.root / "ledger" / "blocks").glob("*.blocks")
    damaged = bytearray(segment.read_bytes())
    damaged[100] ^= 1
    segment.write_bytes(damaged)
    with pytest.raises(LedgerOpenError, match="block 0"):
        async with running(organisations):
            pass


@pytest.mark.parametrize(("msp_id", "name", "kind"), [(OPERATOR, "orderer", "orderer"), (A, "peer", "peer")])
async def test_a_node_needs_a_certificate_of_its_kind(
    organisations: Organisations, msp_id: str, name: str, kind: str
) -> None:
    prepare(organisations)
    organisations.enrol(msp_id, name, node_ou="client")
    with pytest.raises(LedgerOpenError, match=f"is no certificate of a node of kind {kind}"):
        async with running(organisations):
            pass


async def test_a_missing_key_is_named(organisations: Organisations) -> None:
    prepare(organisations)
    key = organisations.root / "organisations" / A / "peer" / "key.pem"
    key.unlink()
    with pytest.raises(ConfigError, match=str(key)):
        async with running(organisations):
            pass


async def test_an_organisation_without_membership_is_named(organisations: Organisations) -> None:
    prepare(organisations)
    shutil.rmtree(organisations.msp_root / A)
    with pytest.raises(ConfigError, match=A):
        async with running(organisations):
            pass


@pytest.mark.parametrize(
    ("step", "error", "clause"),
    [
        ("commit", BlockStoreError("block 0: No space left on device"), "cannot be written"),
        ("catch_up", lmdb.DiskError("No space left on device"), "last block"),
    ],
)
async def test_a_ledger_that_cannot_write_at_its_start_says_so(
    organisations: Organisations, monkeypatch: pytest.MonkeyPatch, step: str, error: Exception, clause: str
) -> None:
    def full(*args: Any, **stores: Any) -> None:
        raise error

    monkeypatch.setattr(recovery, step, full)
    with pytest.raises(LedgerOpenError, match=f"{clause}.*No space left on device"):
        async with running(organisations):
            pass


async def test_whatever_ends_the_committer_is_told_to_those_who_wait(
    organisations: Organisations, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PanicError(BaseException):
        """As a library in another language raises it: no Exception."""

    def panic(*args: Any, **options: Any) -> None:
        raise PanicError

    async with running(organisations) as ledger:
        client = ledger.client()
        transaction = await client.endorse(client.propose("sample", "Put", "k", "v"))
        monkeypatch.setattr(committer, "validate", panic)
        await client.submit_transaction(transaction)
        with pytest.raises(LedgerUnavailableError, match="the ledger has stopped"):
            await client.commit_status(transaction.transaction_id, 5)


async def test_a_block_that_cannot_be_committed_stops_the_ledger(
    organisations: Organisations, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **stores: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with running(organisations) as ledger:
        client = ledger.client()
        await fill(ledger)
        transaction = await client.endorse(client.propose("sample", "Put", "k", "v2"))
        monkeypatch.setattr(recovery, "commit", full)
        await client.submit_transaction(transaction)
        with pytest.raises(LedgerUnavailableError, match="No space left on device"):
            await client.commit_status(transaction.transaction_id)
        with pytest.raises(LedgerUnavailableError):
            await client.submit("sample", "Put", "k", "v3")
        # What is committed can still be read.
        await check(ledger)
    monkeypatch.undo()
    async with running(organisations) as ledger:
        await check(ledger)
