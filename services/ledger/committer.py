"""The committer: one thread that turns what is ordered into blocks, for as long as that works.

For each block: cut, build, sign, validate, commit (`recovery.commit`: durable and visible), announce. A failure ends
it: the ledger takes nothing more, everybody who waits is told, and the process is to end. Going on could acknowledge
what is not on disk. Opening the ledger again mends what can be mended.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections import Counter as TallyCounter
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prometheus_client import Counter, Gauge

from services.common.logs import log
from services.common.signer import Signer
from services.ledger import blocks, genesis, recovery
from services.ledger.blockstore import BlockStore, BlockStoreError
from services.ledger.commits import CommitFeed, CommitStatus, LedgerStoppedError
from services.ledger.orderer import Orderer
from services.ledger.private import PrivateStore
from services.ledger.proposal import NONCE_BYTES
from services.ledger.state import StateStore
from services.ledger.transactions import Code
from services.ledger.validation import Rules, validate

_logger = logging.getLogger(__name__)
# Staged private data whose transaction has not come back after so many blocks is dropped, as Fabric does.
STAGED_BLOCKS = 20_000
_EXPIRE_EVERY = 1_000
_TRANSACTIONS = Counter("salus_ledger_transactions_total", "Transactions committed, by validation code.", ["code"])
_HEIGHT = Gauge("salus_ledger_height", "Blocks committed.")


class VerifiedEndorsements(Collection[bytes]):
    """Digests of the latest endorsements that this node made, which need no verification. Thread-safe."""

    def __init__(self, limit: int = 20_000) -> None:
        self._digests: OrderedDict[bytes, None] = OrderedDict()
        self._limit = limit
        self._lock = threading.Lock()

    def add(self, digest: bytes) -> None:
        with self._lock:
            self._digests[digest] = None
            if len(self._digests) > self._limit:
                self._digests.popitem(last=False)

    def __contains__(self, digest: object) -> bool:
        return digest in self._digests

    def __iter__(self) -> Iterator[bytes]:
        with self._lock:
            return iter(list(self._digests))

    def __len__(self) -> int:
        return len(self._digests)


@dataclass(frozen=True)
class Stores:
    """What a ledger keeps."""

    blocks: BlockStore
    private: PrivateStore
    state: StateStore

    def close(self) -> None:
        for store in (self.state, self.private, self.blocks):
            store.close()


class Committer:
    """Commits what `orderer` hands out. `executor` verifies signatures; `last_config` is the latest CONFIG block."""

    def __init__(
        self,
        stores: Stores,
        rules: Rules,
        signer: Signer,
        orderer: Orderer,
        verified: VerifiedEndorsements,
        executor: Executor,
        clock: Callable[[], datetime],
        entropy: Callable[[int], bytes],
        last_config: int,
    ) -> None:
        self._stores = stores
        self._rules = rules
        self._signer = signer
        self._orderer = orderer
        self._verified = verified
        self._executor = executor
        self._clock = clock
        self._entropy = entropy
        self._last_config = last_config

    def run(self, feed: CommitFeed) -> None:
        """Returns when the orderer is closed and drained, or after a failure."""
        try:
            while batch := self._orderer.cut():
                self.commit(batch, feed)
        except BaseException as error:
            # Whatever it is, nobody may be left waiting: this thread has no other end.
            place = traceback.extract_tb(error.__traceback__)[-1]
            number = self._stores.blocks.height
            log(
                _logger,
                logging.CRITICAL,
                "commit failed",
                block=number,
                exception=type(error).__name__,
                place=f"{place.filename}:{place.lineno}",
            )
            self._orderer.abandon()
            stopped = LedgerStoppedError(f"the ledger has stopped: a block could not be committed ({_reason(error)})")
            feed.post_failure(stopped)

    def commit(self, batch: list[bytes], feed: CommitFeed | None = None) -> list[int]:
        """Makes one block of these envelopes, durable and announced on return; answers the codes."""
        store = self._stores.blocks
        block = blocks.build(store.height, store.last_header_hash, batch)
        if genesis.parse(batch[0]) is not None:
            self._last_config = block.header.number
        nonce = self._entropy(NONCE_BYTES)
        blocks.sign(block, self._signer.serialized, nonce, self._signer.sign, self._last_config)
        codes = self._validate(block)
        updates = recovery.commit(
            block, codes, block_store=store, private_store=self._stores.private, state=self._stores.state
        )
        if feed is not None:
            entries = ((each.transaction_id, CommitStatus(each.code, updates.number)) for each in updates.transactions)
            feed.post(updates.number, entries)
        _report(updates.number, codes)
        if updates.number % _EXPIRE_EVERY == 0:
            self._stores.private.expire(max(0, updates.number - STAGED_BLOCKS))
        return codes

    def _validate(self, block: Any) -> list[int]:
        with self._stores.state.snapshot() as snapshot:
            return validate(
                block,
                snapshot,
                self._rules,
                self._clock(),
                executor=self._executor,
                verified=self._verified,
            )


def _report(number: int, codes: list[int]) -> None:
    counts = TallyCounter(Code.Name(code) for code in codes)
    for name, count in counts.items():
        _TRANSACTIONS.labels(name).inc(count)
    _HEIGHT.set(number + 1)
    level = logging.DEBUG if counts.keys() == {"VALID"} else logging.INFO
    log(_logger, level, "block committed", block=number, transactions=len(codes), codes=dict(counts))


def _reason(error: BaseException) -> str:
    """The stores' or the operating system's word: other texts may quote content."""
    if isinstance(error, BlockStoreError):
        return str(error)
    return error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
