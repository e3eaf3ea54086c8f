"""The gRPC edge of the audit service: search, export, checkpoint.

Errors: INVALID_ARGUMENT (BAD_FILTER, BAD_PAGE) naming the field. Where an export cannot read a private record,
UNAVAILABLE (LEDGER_UNAVAILABLE) or FAILED_PRECONDITION (LEDGER_REFUSED); it ends without its seal then, so what was
received is no valid file.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio
from google.protobuf.timestamp_pb2 import Timestamp
from salus.audit.v1 import audit_pb2, audit_pb2_grpc

from services.audit import index
from services.audit.export import Exporter
from services.audit.index import Entry, Filter, PageTokenError
from services.common.errors import StatusError
from services.ledger.client import LedgerError, LedgerUnavailableError

DEFAULT_PAGE, MAX_PAGE = 100, 1000
_RETRY_SECONDS = 1.0
_OUTCOMES = {
    audit_pb2.OUTCOME_UNSPECIFIED: "",
    audit_pb2.OUTCOME_ANSWERED: "answered",
    audit_pb2.OUTCOME_REFUSED: "refused",
}
_NAMES = {name: number for number, name in _OUTCOMES.items()}


class AuditServicer(audit_pb2_grpc.AuditServiceServicer):
    """`salus.audit.v1.AuditService`. `roots` gives the organisations' root fingerprints as they are now."""

    def __init__(
        self, exporter: Exporter, roots: Callable[[], Mapping[str, Sequence[str]]], clock: Callable[[], datetime]
    ) -> None:
        self._exporter, self._roots, self._clock = exporter, roots, clock
        self._checkpoint: tuple[int, str] = (-1, "")

    async def SearchDecisions(
        self, request: audit_pb2.SearchDecisionsRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> audit_pb2.SearchDecisionsResponse:
        wanted = read_filter(request.filter)
        if not 0 <= request.page_size <= MAX_PAGE:
            raise _invalid("BAD_PAGE", "page_size", f"takes a number from 0 to {MAX_PAGE}")
        size = request.page_size or DEFAULT_PAGE
        try:
            after = index.read_page_token(wanted, request.page_token) if request.page_token else b""
        except PageTokenError as error:
            raise _invalid("BAD_PAGE", "page_token", str(error)) from None
        found = await asyncio.to_thread(self._exporter.store.find, wanted, size + 1, after=after, newest_first=True)
        page = found[:size]
        return audit_pb2.SearchDecisionsResponse(
            decisions=[_summary(entry) for entry in page],
            next_page_token=index.page_token(wanted, page[-1].place) if len(found) > size else "",
        )

    async def Export(
        self, request: audit_pb2.ExportRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[audit_pb2.ExportResponse]:
        wanted = read_filter(request.filter)
        try:
            async for part in self._exporter.export(wanted, self._clock(), self._roots()):
                yield audit_pb2.ExportResponse(data=part.data, done=part.done, total=part.total)
        except LedgerUnavailableError:
            raise StatusError(
                grpc.StatusCode.UNAVAILABLE,
                "LEDGER_UNAVAILABLE",
                "the ledger cannot be reached; the export is not complete",
                retry_after=_RETRY_SECONDS,
            ) from None
        except LedgerError as error:
            raise StatusError(
                grpc.StatusCode.FAILED_PRECONDITION,
                "LEDGER_REFUSED",
                "the ledger does not show the auditor a private record; the export is not complete",
                metadata={"reason": error.reason},
            ) from None

    async def GetCheckpoint(
        self, request: audit_pb2.GetCheckpointRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> audit_pb2.GetCheckpointResponse:
        position = await asyncio.to_thread(self._exporter.store.position)
        if position.tree.size != self._checkpoint[0]:
            self._checkpoint = (position.tree.size, self._exporter.auditor.checkpoint(position))
        return audit_pb2.GetCheckpointResponse(checkpoint=self._checkpoint[1].encode())


def read_filter(message: audit_pb2.Filter) -> Filter:
    """The filter of a request. Raises StatusError (INVALID_ARGUMENT) naming the field."""
    if message.outcome not in _OUTCOMES:
        raise _invalid("BAD_FILTER", "filter.outcome", "is no outcome")
    # `from` is a keyword, so the field has no attribute of its name.
    start, end = (_time(message, name) for name in ("from", "to"))
    if start is not None and end is not None and end < start:
        raise _invalid("BAD_FILTER", "filter.to", "is before the period's start")
    return Filter(message.model_id, message.organisation, message.patient, _OUTCOMES[message.outcome], start, end)


def _time(message: audit_pb2.Filter, name: str) -> datetime | None:
    if not message.HasField(name):
        return None
    try:
        time: datetime = getattr(message, name).ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _invalid("BAD_FILTER", f"filter.{name}", "is no point in time") from None
    return time


def _summary(entry: Entry) -> audit_pb2.DecisionSummary:
    time = Timestamp()
    time.FromDatetime(entry.time)
    return audit_pb2.DecisionSummary(
        decision_id=entry.decision_id,
        transaction_id=entry.transaction_id,
        block_number=entry.block_number,
        time=time,
        organisation=entry.organisation,
        model_id=entry.model_id,
        model_version=entry.model_version,
        purpose=entry.purpose,
        outcome=_NAMES.get(entry.outcome, audit_pb2.OUTCOME_UNSPECIFIED),
        emergency=entry.emergency,
    )


def _invalid(reason: str, field: str, what: str) -> StatusError:
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, reason, f"{field} {what}", violations=[(field, what)])
