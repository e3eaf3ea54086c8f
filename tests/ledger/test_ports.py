"""The ledger's ports: further ones, and ones that ask for no client certificate."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.common import tls
from services.ledger.client import LedgerClient, LedgerError
from tests.ledger.process import config_file, run
from tests.ledger.running import OPERATOR, A, B
from tests.organisations import Organisation, Organisations


@asynccontextmanager
async def serving(config: Path) -> AsyncIterator[dict[str, Any]]:
    """What a ledger process announces."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.ledger",
        "--config",
        str(config),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert process.stdout is not None
        yield json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    finally:
        process.terminate()
        await process.wait()


def open_config(organisations: Organisations) -> Path:
    further = {"address": "127.0.0.1:0", "tls": f"organisations/{OPERATOR}/tls/ledger"}
    return config_file(organisations, client_certificates="none", gateways={"further": further})


async def test_every_port_serves_the_same_ledger_to_clients_without_a_certificate(organisations: Organisations) -> None:
    config = open_config(organisations)
    async with serving(config) as announced:
        main, further = announced["address"], announced["further_address"]
        async with tls.connect(main, None, organisations.tls_roots) as channel:
            await LedgerClient(channel, organisations.signer(A, "member")).submit("sample", "Put", "key", "value")
        async with tls.connect(further, None, organisations.tls_roots) as channel:
            client = LedgerClient(channel, organisations.signer(B, "member"))
            assert await client.evaluate("sample", "Get", "key") == b"value"


async def test_without_client_certificates_blocks_go_to_members_who_sign_for_them(organisations: Organisations) -> None:
    config = open_config(organisations)
    async with (
        serving(config) as announced,
        tls.connect(announced["address"], None, organisations.tls_roots) as channel,
    ):
        blocks = LedgerClient(channel, organisations.signer(A, "member")).blocks()
        assert (await anext(blocks)).header.number == 0


async def test_without_client_certificates_strangers_get_nothing(organisations: Organisations, tmp_path: Path) -> None:
    config = open_config(organisations)
    strangers = Organisations(tmp_path / "strangers", {A: Organisation.create(A)})
    strangers.enrol(A, "member")
    async with (
        serving(config) as announced,
        tls.connect(announced["address"], None, organisations.tls_roots) as channel,
    ):
        client = LedgerClient(channel, strangers.signer(A, "member"))
        with pytest.raises(LedgerError):
            await client.evaluate("sample", "Get", "key")
        with pytest.raises(LedgerError):
            await client.submit("sample", "Put", "key", "value")
        with pytest.raises(LedgerError):
            await anext(client.blocks())


async def test_a_certificate_is_required_where_nothing_else_is_said(organisations: Organisations) -> None:
    config = config_file(organisations)
    async with (
        serving(config) as announced,
        tls.connect(announced["address"], None, organisations.tls_roots) as channel,
    ):
        client = LedgerClient(channel, organisations.signer(A, "member"))
        with pytest.raises(LedgerError):
            await client.evaluate("sample", "Get", "key")


async def test_what_client_certificates_can_be_is_told(organisations: Organisations) -> None:
    code, errors = await run(config_file(organisations, client_certificates="perhaps"))
    assert code == 2
    assert errors.strip().endswith("client_certificates must be required or none")
