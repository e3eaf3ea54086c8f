"""The ledger as a process: how it starts, fails to start, stops and gives up."""

from __future__ import annotations

import asyncio
import resource
import signal
import socket

import pytest

from services.common import tls
from services.ledger.client import LedgerClient, LedgerError, LedgerUnavailableError
from tests.ledger.process import config_file, process, run
from tests.ledger.running import REGULATOR, A
from tests.organisations import Organisations


async def test_a_process_that_cannot_start_says_why_in_one_line(organisations: Organisations) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        address = f"127.0.0.1:{busy.getsockname()[1]}"
        code, errors = await run(config_file(organisations, server__address=address))
    assert code == 2
    assert errors.splitlines()[-1].startswith(f"salus-ledger: cannot listen on {address}")
    assert "Traceback" not in errors

    code, errors = await run(config_file(organisations, network="absent.yaml"))
    assert code == 2
    assert "absent.yaml" in errors.splitlines()[-1]
    assert "Traceback" not in errors

    code, errors = await run(config_file(organisations, block_transactions=0))
    assert code == 2
    assert errors.splitlines()[-1].endswith("block_transactions must be at least 1")


async def test_a_stopping_ledger_does_not_wait_for_those_who_follow_it(organisations: Organisations) -> None:
    folder = organisations.root / "organisations" / REGULATOR / "audit"
    config = config_file(organisations)
    async with process(config) as (ledger, address), tls.connect(address, folder, organisations.tls_roots) as channel:
        followed = LedgerClient(channel, organisations.signer(REGULATOR, "audit")).blocks()
        assert (await anext(followed)).header.number == 0
        ledger.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(ledger.wait(), 8) == 0
        with pytest.raises(LedgerError):
            await anext(followed)


async def _write(client: LedgerClient, acknowledged: list[str]) -> None:
    """Writes until the ledger gives up."""
    while True:
        key = f"k{len(acknowledged)}"
        await client.submit("sample", "Put", key, "v" * 100_000)
        acknowledged.append(key)


def _small_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))


async def test_a_ledger_that_cannot_write_ends_and_loses_nothing(organisations: Organisations) -> None:
    config = config_file(organisations)
    folder, signer = organisations.root / "organisations" / A / "member", organisations.signer(A, "member")
    acknowledged: list[str] = []
    async with process(config, _small_files) as (ledger, address):
        async with tls.connect(address, folder, organisations.tls_roots) as channel:
            with pytest.raises(LedgerUnavailableError):
                await _write(LedgerClient(channel, signer), acknowledged)
        assert await asyncio.wait_for(ledger.wait(), 20) == 1
    last = config.with_suffix(".log").read_text().splitlines()[-1]
    assert last.startswith("salus-ledger: the ledger has stopped: a block could not be committed (")
    assert acknowledged
    async with process(config) as (ledger, address), tls.connect(address, folder, organisations.tls_roots) as channel:
        client = LedgerClient(channel, signer)
        for key in acknowledged:
            assert await client.evaluate("sample", "Get", key) == b"v" * 100_000
