"""Logs: one JSON object a line on standard error. Fields are named by the caller; none may hold personal data."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

_FIELDS = "salus_fields"


class _JsonFormatter(logging.Formatter):
    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "event": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            # The trace, without the exception's text, which may quote data.
            kind, _, trace = record.exc_info
            frames = []
            while trace is not None:
                frames.append(f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}")
                trace = trace.tb_next
            line |= {"exception": kind.__name__ if kind else "", "trace": frames}
        return json.dumps(line, ensure_ascii=False)


def configure(service: str, level: int = logging.INFO) -> None:
    """Sends the process's logs to standard error. Called once, by `services.common.entry`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter(service))
    logging.basicConfig(level=level, handlers=[handler], force=True)


def log(logger: logging.Logger, level: int, event: str, **fields: object) -> None:
    """Writes one line with these fields."""
    logger.log(level, event, extra={_FIELDS: fields})
