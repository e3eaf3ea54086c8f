"""The order of transactions: a bounded queue, cut into blocks by the committer's own pace.

Group commit: whoever commits asks for the next block when the former is durable, and gets what has come in meanwhile,
up to the limits of a block. So a lone transaction waits for nobody, and a thousand share one synchronisation of the
disk. There is no timer, and no consensus either: one node orders.

The queue lives in memory. A transaction in it is accepted, not durable; it is acknowledged by its commit alone.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass


class OrdererError(Exception):
    """The transaction was not accepted."""


class OrdererFullError(OrdererError):
    """The queue is at its limit; a later attempt may succeed."""


class OrdererClosedError(OrdererError):
    """The node is stopping, or could not commit."""


class TransactionTooLargeError(OrdererError):
    """The envelope is larger than any block may hold."""


@dataclass(frozen=True)
class OrdererLimits:
    """`queue` and `queue_bytes` bound what waits; `block_*` what one block takes; `transaction_bytes` one envelope.

    A transaction larger than `block_bytes` gets a block of its own, as in Fabric.
    """

    queue: int = 5_000
    queue_bytes: int = 128 * 1024 * 1024
    block_transactions: int = 500
    block_bytes: int = 2 * 1024 * 1024
    transaction_bytes: int = 10 * 1024 * 1024


class Orderer:
    """Thread-safe. Many threads `order`, one cuts."""

    def __init__(self, limits: OrdererLimits) -> None:
        self._limits = limits
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._closed = False
        self._changed = threading.Condition()

    def order(self, envelope: bytes) -> None:
        """Appends a serialised `common.Envelope`. Raises OrdererError's three kinds."""
        limit = self._limits.transaction_bytes
        if len(envelope) > limit:
            raise TransactionTooLargeError(
                f"message payload is {len(envelope)} bytes and exceeds maximum allowed {limit} bytes"
            )
        with self._changed:
            if self._closed:
                raise OrdererClosedError("the ledger is not accepting transactions")
            if len(self._waiting) >= self._limits.queue or self._bytes + len(envelope) > self._limits.queue_bytes:
                raise OrdererFullError("too many transactions are waiting to be ordered")
            self._waiting.append(envelope)
            self._bytes += len(envelope)
            self._changed.notify()

    def cut(self) -> list[bytes]:
        """The next block's envelopes in the order in which they came; waits for the first. Empty: closed, drained."""
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            batch: list[bytes] = []
            size = 0
            while self._waiting and len(batch) < self._limits.block_transactions:
                if batch and size + len(self._waiting[0]) > self._limits.block_bytes:
                    break
                batch.append(self._waiting.popleft())
                size += len(batch[-1])
            self._bytes -= size
            return batch

    def close(self) -> None:
        """Accepts nothing more; what waits is still cut."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def abandon(self) -> None:
        """Closes and drops what waits: nothing more can be committed."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._bytes = 0
            self._changed.notify_all()
