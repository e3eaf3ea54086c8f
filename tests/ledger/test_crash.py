"""`kill -9` at any moment, under load: what was acknowledged is there, the rest is there whole or not at all.

A real process is started, loaded and killed, several times over on the same folder, at moments drawn from a fixed seed.
Each transaction writes a public key and a private one, so that a half-applied transaction would be seen.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2

from services.common import tls
from services.ledger import blocks, fsck, recovery
from services.ledger.blockstore import BlockStore
from services.ledger.client import CommitStatusError, LedgerClient, LedgerError
from services.ledger.private import LmdbPrivateStore
from services.ledger.state import LmdbState
from services.ledger.transactions import parse_header
from tests.ledger.process import config_file, process
from tests.ledger.running import A
from tests.organisations import Organisations

ROUNDS = 5
WRITERS = 6
SEED = 20_260_301


class Load:
    """Writers that go on until the ledger is gone. `acknowledged` and `unknown` hold keys by outcome."""

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self.unknown: set[str] = set()
        self._waits: tuple[int, asyncio.Event] = (0, asyncio.Event())

    async def more(self, count: int) -> None:
        """Returns once so many more are acknowledged."""
        self._waits = len(self.acknowledged) + count, asyncio.Event()
        await asyncio.wait_for(self._waits[1].wait(), 20)

    async def write(self, client: LedgerClient, name: str) -> None:
        number = 0
        while True:
            key = f"{name}-{number}"
            number += 1
            try:
                transaction = await client.endorse(
                    client.propose("sample", "PutBoth", "everyone", key, transient={"value": key.encode()})
                )
            except LedgerError:
                return
            self.unknown.add(key)
            try:
                await client.submit_transaction(transaction)
                code, _ = await client.commit_status(transaction.transaction_id)
            except (LedgerError, CommitStatusError):
                return
            assert code == "VALID"
            self.unknown.discard(key)
            self.acknowledged.add(key)
            if len(self.acknowledged) >= self._waits[0]:
                self._waits[1].set()


async def test_a_killed_ledger_keeps_what_it_acknowledged(organisations: Organisations) -> None:
    draw = random.Random(SEED)
    config = config_file(organisations)
    load = Load()
    folder, signer = organisations.root / "organisations" / A / "member", organisations.signer(A, "member")
    data = organisations.root / "ledger"
    for round_number in range(ROUNDS):
        async with process(config) as (ledger, address), tls.connect(address, folder, organisations.tls_roots) as wire:
            client = LedgerClient(wire, signer)
            writers = [asyncio.create_task(load.write(client, f"{round_number}-{each}")) for each in range(WRITERS)]
            await load.more(draw.randint(3, 40))
            await asyncio.sleep(draw.uniform(0, 0.02))
            os.kill(ledger.pid, signal.SIGKILL)
            await ledger.wait()
            await asyncio.gather(*writers)
        assert fsck.check(data / "blocks") == []
    async with process(config) as (_, address), tls.connect(address, folder, organisations.tls_roots) as wire:
        await compare(LedgerClient(wire, signer), load)
    compare_with_replay(data)


async def compare(client: LedgerClient, load: Load) -> None:
    """What the ledger answers with what was acknowledged to us."""
    public: dict[str, Any] = json.loads(await client.evaluate("sample", "GetRange", "", ""))
    assert load.acknowledged <= public.keys() <= load.acknowledged | load.unknown
    assert len(load.acknowledged) > ROUNDS
    for key in public:
        assert await client.evaluate("sample", "GetPrivate", "everyone", key) == key.encode()
    for key in load.unknown - public.keys():
        assert await client.evaluate("sample", "GetPrivateHash", "everyone", key) == b""


def compare_with_replay(data: Path) -> None:
    """The state with one derived from the blocks alone; every transaction of the blocks with the index."""
    store, private = BlockStore(data / "blocks"), LmdbPrivateStore(data / "private")
    state, replayed = LmdbState(data / "state"), LmdbState(data / "replayed")
    try:
        assert recovery.catch_up(replayed, store, private) == store.height
        with state.snapshot() as kept, replayed.snapshot() as derived:
            assert (kept.height, kept.commit_hash) == (derived.height, derived.commit_hash)
            assert list(kept.range("sample", "", "")) == list(derived.range("sample", "", ""))
            assert list(kept.range_private("sample", "everyone", "", "")) == list(
                derived.range_private("sample", "everyone", "", "")
            )
            for number in range(store.height):
                block = common_pb2.Block.FromString(store.get(number))
                for envelope, code in zip(block.data.data, blocks.codes(block), strict=True):
                    found = kept.transaction(parse_header(envelope).transaction_id)
                    assert found is not None
                    assert (found.block, found.code) == (number, code)
    finally:
        for each in (replayed, state, private, store):
            each.close()
