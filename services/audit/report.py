"""What the verification of an export found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MAX_FINDINGS = 1000


@dataclass(frozen=True)
class Finding:
    """One fault: in which line (from 1), about which decision ("" where it is about none), and what differs."""

    line: int
    decision_id: str
    what: str

    def __str__(self) -> str:
        about = f", decision {self.decision_id}" if self.decision_id else ""
        return f"line {self.line}{about}: {self.what}"


@dataclass(frozen=True)
class CheckpointInfo:
    """The checkpoint that the proofs lead to: who signed it, over how many transactions. `root` in hexadecimal."""

    origin: str
    size: int
    root: str
    msp_id: str
    certificate_fingerprint: str


@dataclass(frozen=True)
class Report:
    """What was found. `verified` are the decisions without a finding, `erased` those of them whose private record is no
    longer there, `reexecuted` those whose model gave the same answer again, `answered` those that have an answer.

    `findings` holds MAX_FINDINGS at most; `findings_complete` is false where there were more. `notes` are what could
    not be checked and is no fault of the file's. `is_export` is false where no line is one of an export.

    `filter` tells which decisions were exported, as the header has it; without a field, all. Where they could not be
    read, it and `checkpoint` are None and `policies` empty; whom the checkpoint names is for the reader to judge.
    """

    findings: tuple[Finding, ...]
    findings_complete: bool
    notes: tuple[str, ...]
    is_export: bool
    filter: Mapping[str, str] | None
    transactions: int
    decisions: int
    verified: int
    answered: int
    erased: int
    reexecuted: int
    created: str
    policies: tuple[str, ...]
    checkpoint: CheckpointInfo | None

    @property
    def ok(self) -> bool:
        return not self.findings
