"""Follows the ledger: every block becomes leaves of the log and entries of the index, once and in order.

1. The follower asks for the block after the last one stored, and for that one too: if the ledger has another block
   there, or one that does not continue it, it is not the ledger this log is of, and the service ends.
2. Leaves are made of every transaction. Decisions are those of VALID transactions; each one's private record is read
   for the patient, by whom it is searched, and for emergency access. An erased record leaves both unknown.
3. Only when all of that is known the block is stored, durably. A crash before that loses nothing and repeats nothing.
4. Whatever the ledger fails at is tried again, after 0.1 s at first and 10 s at most.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from chaincode.core import batch, canonical, record
from chaincode.core.provision import Basis
from services.audit import leaf
from services.audit.index import Entry
from services.audit.ledger import Ledger
from services.audit.store import AuditStore, IndexedBlock, Position
from services.audit.transaction import DECISIONS, VALID, TransactionError, open_transaction, read_id
from services.common.config import ConfigError
from services.common.logs import log
from services.ledger import blocks, genesis
from services.ledger.client import LedgerError

FIRST_DELAY, LAST_DELAY = 0.1, 10.0
CONCURRENT_READS = 16

_logger = logging.getLogger(__name__)


class ForkError(ConfigError):
    """The ledger is not the one that this log is of."""


class Follower:
    """Keeps `store` up with `ledger`. `sleep` waits that many seconds."""

    def __init__(
        self,
        channel: str,
        ledger: Ledger,
        store: AuditStore,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._channel, self._ledger, self._store, self._sleep = channel, ledger, store, sleep
        self._reads = asyncio.Semaphore(CONCURRENT_READS)

    async def run(self) -> None:
        """Follows for ever. Raises ForkError."""
        delay = FIRST_DELAY
        while True:
            height = self._store.position().height
            try:
                await self._follow()
                reason = "the stream ended"
            except LedgerError as error:
                reason = error.reason or type(error).__name__
            if self._store.position().height > height:
                delay = FIRST_DELAY
            log(_logger, logging.WARNING, "ledger not followed", reason=reason, again_in_seconds=delay)
            await self._sleep(delay)
            delay = min(delay * 2, LAST_DELAY)

    async def _follow(self) -> None:
        position = self._store.position()
        async for block in self._ledger.blocks(max(position.height - 1, 0)):
            check_continues(position, block)
            if block.header.number < position.height:
                continue
            indexed = await self._index(block)
            await asyncio.to_thread(self._store.append, indexed)
            position = self._store.position()
            log(
                _logger,
                logging.INFO,
                "block followed",
                block=indexed.number,
                transactions=len(indexed.leaves),
                decisions=len(indexed.entries),
            )

    async def _index(self, block: Any) -> IndexedBlock:
        number = int(block.header.number)
        indexed = read_block(self._channel, block)
        found = await asyncio.gather(*(self._describe(entry) for entry, _ in indexed.entries))
        return IndexedBlock(number, indexed.head, indexed.leaves, found, indexed.envelopes, indexed.policy)

    async def _describe(self, entry: Entry) -> tuple[Entry, str]:
        """The entry completed from the private record, and the patient's pseudonym."""
        async with self._reads:
            text = await self._ledger.item(entry.organisation, entry.decision_id)
        if text is None:
            return entry, ""
        try:
            described = record.parse(batch.parse_item(canonical.decode(text.encode())).record)
        except ValueError:
            log(_logger, logging.ERROR, "private record not readable", decision=entry.decision_id)
            return entry, ""
        emergency = described.consent.basis is Basis.EMERGENCY
        return Entry(**(vars(entry) | {"emergency": emergency})), described.patient


def check_continues(position: Position, block: Any) -> None:
    """Raises ForkError unless the block is the last one stored or the next one, unaltered."""
    number, head = int(block.header.number), blocks.header_hash(block.header)
    whole = block.header.data_hash == blocks.data_hash(block.data.data)
    if number == position.height - 1:
        good = head == position.head
    else:
        good = number == position.height and block.header.previous_hash == position.head
    if not (good and whole and len(blocks.codes(block)) == len(block.data.data)):
        raise ForkError(f"the ledger's block {number} does not continue what this log has recorded")


def read_block(channel: str, block: Any) -> IndexedBlock:
    """Leaves, entries and transactions of a block, from the block alone. Pure."""
    number, envelopes, codes = int(block.header.number), list(block.data.data), blocks.codes(block)
    entries: list[tuple[Entry, str]] = []
    kept: dict[int, bytes] = {}
    for index, (envelope, code) in enumerate(zip(envelopes, codes, strict=True)):
        if code == VALID and (found := _entries(envelope, number, index)):
            entries += ((entry, "") for entry in found)
            kept[index] = envelope
    return IndexedBlock(
        number=number,
        head=blocks.header_hash(block.header),
        leaves=[
            leaf.leaf_hash(channel, number, index, read_id(envelope), envelope, code)
            for index, (envelope, code) in enumerate(zip(envelopes, codes, strict=True))
        ],
        entries=entries,
        envelopes=kept,
        policy=_policy(envelopes),
    )


def _entries(envelope: bytes, block_number: int, index: int) -> Sequence[Entry]:
    try:
        return list(open_transaction(envelope).entries(block_number, index))
    except TransactionError:
        return ()


def _policy(envelopes: Sequence[bytes]) -> str:
    """The endorsement policy of the contract `decisions` that a configuration block sets; "" in any other block."""
    parsed = genesis.parse(envelopes[0]) if len(envelopes) == 1 else None
    if parsed is None:
        return ""
    definitions = canonical.decode(genesis.contracts(parsed[1].channel_group))
    return str(definitions.get(DECISIONS, {}).get("policy", ""))
