"""Makes an export: the trail of a moment, line by line, sealed at the end. `trail.py` has the file's format.

The log's height and size are taken once, at the start; decisions committed later are not in the file. Private records
are read from the ledger while the file is written, a page ahead, and held no longer than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from chaincode.core import certificate
from services.audit import checkpoint, trail
from services.audit.checkpoint import Checkpoint
from services.audit.index import Entry, Filter
from services.audit.ledger import Ledger
from services.audit.store import AuditStore, Position
from services.audit.trail import Header
from services.audit.transaction import VALID
from services.common.signer import Signer

PAGE = 64
_COUNT_PAGE = 1000


@dataclass(frozen=True)
class Auditor:
    """Who makes checkpoints and exports: an enrolled key, and the log's origin."""

    channel: str
    signer: Signer

    def checkpoint(self, position: Position) -> str:
        """A signed checkpoint of the log as it stands."""
        origin = checkpoint.origin(self.channel, self.signer.msp_id)
        public_key = certificate.parse(self.signer.certificate_pem).public_key
        return checkpoint.sign(
            Checkpoint(origin, position.tree.size, position.tree.root()), public_key, self.signer.sign
        )


@dataclass(frozen=True)
class Part:
    """Bytes to append to the file, and how many decisions it holds so far, of how many."""

    data: bytes
    done: int
    total: int


@dataclass(frozen=True)
class Exporter:
    """Makes exports."""

    auditor: Auditor
    store: AuditStore
    ledger: Ledger

    async def export(
        self, wanted: Filter, created: datetime, roots: Mapping[str, Sequence[str]]
    ) -> AsyncIterator[Part]:
        """The file. `roots` are the organisations' root fingerprints. Raises LedgerError where a private record cannot
        be read."""
        position = await asyncio.to_thread(self.store.position)
        total = await asyncio.to_thread(self._count, wanted, position.height)
        writer, done = trail.Writer(), 0
        header = Header(
            channel=self.auditor.channel,
            created=created,
            filter=wanted,
            msp_id=self.auditor.signer.msp_id,
            certificate=self.auditor.signer.certificate_pem.decode(),
            roots=roots,
            policies=position.policies,
            checkpoint=self.auditor.checkpoint(position),
            decisions=total,
        )
        yield Part(writer.header(header), 0, total)
        cards: set[tuple[str, str]] = set()
        last = b""
        while page := await asyncio.to_thread(self.store.find, wanted, PAGE, after=last, below=position.height):
            items = await asyncio.gather(*(self.ledger.item(each.organisation, each.decision_id) for each in page))
            data: list[bytes] = []
            for entry, item in zip(page, items, strict=True):
                model = (entry.model_id, entry.model_version)
                if model not in cards:
                    cards.add(model)
                    data.append(writer.card(await self.ledger.card(*model)))
                if not last or entry.place[:-4] != last[:-4]:
                    data.append(self._transaction(writer, entry, position.tree.size))
                data.append(writer.decision(entry.decision_id, item))
                last = entry.place
            done += len(page)
            yield Part(b"".join(data), done, total)
        yield Part(writer.seal(self.auditor.signer.sign), done, total)

    def _transaction(self, writer: trail.Writer, entry: Entry, size: int) -> bytes:
        leaf = self.store.leaf_index(entry.block_number, entry.index)
        return writer.transaction(
            entry.transaction_id,
            entry.block_number,
            entry.index,
            VALID,
            self.store.envelope(entry.block_number, entry.index),
            leaf,
            self.store.prove(leaf, size),
        )

    def _count(self, wanted: Filter, height: int) -> int:
        total, last = 0, b""
        while page := self.store.find(wanted, _COUNT_PAGE, after=last, below=height):
            total, last = total + len(page), page[-1].place
        return total
