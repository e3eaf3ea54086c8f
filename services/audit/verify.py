"""Checks an export offline, trusting the organisations' root certificates and nothing else.

Rules, in the file's order (`trail.py` has its format, `evidence.py` what is checked of a transaction and a decision):

1. Every line is whole: of the exact form, its digest that of its bytes, its number the next one.
2. The header comes first. The auditor's certificate is issued by its organisation, for role `audit`, and valid when the
   file was made. Its key has signed the checkpoint, whose origin names that organisation and channel.
3. A transaction comes after all older ones, and once. Its leaf is in the log under the checkpoint, as VALID.
4. Decisions follow the transaction that wrote them, in its order. All of its decisions that pass the file's filter are
   there, and no others. (Filtered by patient, it cannot be told whether one is missing but by the sealed count.)
5. The seal ends the file. Its digest is that of everything before, its counts are those of the lines, and the auditor's
   key has signed it.

A certificate is judged at the time of what it signed; revocations are not known offline. Each fault is a finding, and
what can still be checked after one is; a model file that is not there to be executed again is a note. The file is read
line by line and never held.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaincode.core import canonical, certificate, merkle
from services.audit import checkpoint as checkpoints
from services.audit import evidence, leaf, trail
from services.audit.checkpoint import Checkpoint, CheckpointError
from services.audit.evidence import ModelMissingError, Reexecution
from services.audit.index import Entry
from services.audit.report import MAX_FINDINGS, CheckpointInfo, Finding, Report
from services.audit.roots import fingerprints, pems
from services.audit.roots import load_roots as load_roots
from services.audit.trail import Header, Line, LineError
from services.audit.transaction import VALID, Transaction, TransactionError, open_transaction
from services.common.msp import Identity, IdentityError, Membership, Msp
from services.ledger import policy as policies
from services.ledger.policy import Policy, PolicyError

_ID = re.compile(r"[0-9a-f]{32}")
# How a line that cannot be read shows which decision it was about.
_DECISION = re.compile(rb'[{,]"id":"([0-9a-f]{32})"')

Roots = Mapping[str, bytes | Sequence[bytes]]
Progress = Callable[[int, int], None]


def verify(
    source: bytes | Path | Iterable[bytes],
    roots: Roots,
    progress: Progress | None = None,
    models: Path | None = None,
) -> Report:
    """Checks an export: its bytes, its path, or its lines, each with its newline.

    `roots` are the root certificates (PEM) by MSP id. `progress` is told decisions done and in all, after each.
    `models` is a folder of `<sha256>.onnx`: every answer whose model is there is given again from the recorded input.
    What is wrong with the file is in the report; raises OSError for a path that cannot be read, ValueError for roots
    that are no certificates.
    """
    membership = Membership([Msp(msp_id, pems(each)) for msp_id, each in roots.items()])
    walk = _Walk(membership, roots, progress, None if models is None else Reexecution(models))
    if isinstance(source, Path):
        with source.open("rb") as file:
            return walk.run(_lines(file.readline))
    if isinstance(source, bytes):
        return walk.run(_lines(io.BytesIO(source).readline))
    return walk.run(source)


@dataclass
class _Current:
    """The transaction whose decisions are being read. `expected` are the entries still to come, by decision id."""

    line: int
    transaction: Transaction
    creator: Identity | None
    publics: Mapping[str, Mapping[str, Any]]
    expected: dict[str, Entry]
    sound: bool


@dataclass
class _Walk:
    """One pass over a file."""

    membership: Membership
    roots: Roots
    progress: Progress | None
    reexecution: Reexecution | None
    findings: list[Finding] = field(default_factory=list)
    findings_complete: bool = True
    missing: Counter[str] = field(default_factory=Counter)
    is_export: bool = False
    line: int = 0
    numbered: int = 0
    digest: Any = field(default_factory=hashlib.sha256)
    header: Header | None = None
    auditor: Identity | None = None
    checkpoint: Checkpoint | None = None
    policies: list[tuple[int, Policy]] = field(default_factory=list)
    cards: dict[str, str] = field(default_factory=dict)
    place: bytes = b""
    neighbours: set[str] = field(default_factory=set)
    current: _Current | None = None
    sealed: bool = False
    transactions: int = 0
    decisions: int = 0
    verified: int = 0
    answered: int = 0
    erased: int = 0
    reexecuted: int = 0

    def run(self, lines: Iterable[bytes]) -> Report:
        for data in lines:
            self.line += 1
            if self.sealed:
                self.find("there is something after the seal")
                break
            self.take(data)
            self.digest.update(data)
        if not self.sealed:
            self.line += 1
            self.find("the file ends without its seal")
        return self.report()

    def find(self, what: str, decision_id: str = "", line: int | None = None) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(Finding(self.line if line is None else line, decision_id, what))
        else:
            self.findings_complete = False

    def take(self, data: bytes) -> None:
        try:
            line = trail.read_line(data)
        except LineError as error:
            self.numbered += 1
            named = _DECISION.search(data)
            if named is None:
                self.end_transaction()
            self.find(str(error), named[1].decode() if named else "")
            return
        self.is_export = True
        decision_id = line.body.get("id")
        about = decision_id if isinstance(decision_id, str) and _ID.fullmatch(decision_id) else ""
        if not line.intact:
            self.find("the line is not as it was written: its bytes do not have its digest", about)
        self.check_number(line, about)
        kind = line.body.get("type")
        try:
            if self.line == 1 or kind == "header":
                self.take_header(line.body)
            elif kind == "card":
                self.take_card(line.body)
            elif kind == "transaction":
                self.take_transaction(line.body)
            elif kind == "decision":
                self.take_decision(line.body, sound=line.intact)
            elif kind == "seal":
                self.take_seal(line.body)
            else:
                self.find("the line is of no known type")
        except LineError as error:
            self.find(str(error), about)

    def check_number(self, line: Line, decision_id: str) -> None:
        number = line.body.get("line")
        self.numbered += 1
        if number == self.numbered:
            return
        if not line.intact or not isinstance(number, int):
            self.find("the line does not hold its number", decision_id)
        elif number > self.numbered:
            lines = f"line {self.numbered} is" if number == self.numbered + 1 else f"lines from {self.numbered} are"
            self.find(f"{lines} missing before this one, which was written as line {number}", decision_id)
            self.numbered = number
        else:
            self.find(f"the line is repeated or out of order: it was written as line {number}", decision_id)
            self.numbered -= 1

    def take_header(self, body: Mapping[str, Any]) -> None:
        if self.header is not None or self.line != 1 or body.get("type") != "header":
            raise LineError("the header is not the first line, or not the only one")
        self.header = header = Header.from_json(body)
        for msp_id, expected in header.roots.items():
            given = self.roots.get(msp_id)
            if given is not None and not set(expected) <= set(fingerprints(pems(given))):
                self.find(f"the file names other root certificates of {msp_id} than those given")
        for number, text in header.policies:
            try:
                self.policies.append((number, policies.parse(text)))
            except PolicyError as error:
                self.find(f"the endorsement policy is malformed: {error}")
        try:
            self.auditor = self.membership.identify(header.msp_id, header.certificate.encode(), header.created)
        except IdentityError as error:
            self.find(f"the auditor's certificate is not accepted: {error}")
            return
        if self.auditor.role != "audit":
            self.find("the auditor's certificate does not have role audit")
        try:
            log = checkpoints.verify(header.checkpoint, self.auditor.certificate.public_key)
        except CheckpointError as error:
            self.find(str(error))
            return
        if log.origin != checkpoints.origin(header.channel, header.msp_id):
            self.find("the checkpoint is of another log")
        else:
            self.checkpoint = log

    def take_card(self, body: Mapping[str, Any]) -> None:
        card, sha256 = trail.field_of(body, "card", str), trail.field_of(body, "sha256", str)
        if canonical.sha256_hex(card.encode()) != sha256:
            self.find("the model's card does not have its hash")
        self.cards[sha256] = card

    def take_transaction(self, body: Mapping[str, Any]) -> None:
        self.end_transaction()
        self.transactions += 1
        before = len(self.findings)
        envelope = trail.field_bytes(body, "envelope")
        block, index = trail.field_number(body, "block"), trail.field_number(body, "index", bits=31)
        name, code = trail.field_of(body, "transaction_id", str), trail.field_number(body, "validation_code")
        number, proof = trail.field_number(body, "leaf"), trail.field_hashes(body, "proof")
        if code != VALID:
            self.find("the transaction is not told to be VALID")
        header = self.header
        channel = header.channel if header else ""
        proven = leaf.leaf_hash(channel, block, index, name, envelope, code)
        if self.checkpoint is None:
            self.find("there is no checkpoint that could prove the transaction")
        elif not merkle.verify_inclusion(proven, number, self.checkpoint.size, proof, self.checkpoint.root):
            self.find("the transaction is not proven to be in the log under the checkpoint")
        try:
            transaction = open_transaction(envelope)
            publics = transaction.decisions()
            entries = list(transaction.entries(block, index))
        except TransactionError as error:
            self.find(f"the transaction cannot be read: {error}")
            return
        if transaction.header.transaction_id != name:
            self.find("the envelope is of another transaction")
        found = evidence.check_transaction(transaction, channel, self.membership, self.policy(block))
        for problem in found.problems:
            self.find(problem)
        place = entries[0].place if entries else b""
        if place <= self.place:
            self.find("the transaction is repeated or out of order, or holds no decision")
        # Under another block's number a transaction keeps its time: whoever repeats it is found among its neighbours.
        if place[:8] != self.place[:8]:
            self.neighbours.clear()
        if transaction.header.transaction_id in self.neighbours:
            self.find("the transaction is there a second time, as one of another block or place")
        self.neighbours.add(transaction.header.transaction_id)
        self.place = place
        wanted = [each for each in entries if header is None or header.filter.matches(each)]
        self.current = _Current(
            self.line,
            transaction,
            found.creator,
            publics,
            {each.decision_id: each for each in wanted},
            sound=len(self.findings) == before,
        )

    def policy(self, block: int) -> Policy | None:
        """The policy in force for a block."""
        return next((policy for number, policy in reversed(self.policies) if number <= block), None)

    def end_transaction(self) -> None:
        """Nothing more of the transaction follows."""
        filtered = self.header is not None and self.header.filter.patient
        if self.current is not None and self.current.expected and not filtered:
            for decision_id in self.current.expected:
                self.find("the decision's line is missing", decision_id)
        self.current = None

    def take_decision(self, body: Mapping[str, Any], *, sound: bool) -> None:
        self.decisions += 1
        before = len(self.findings)
        decision_id = trail.field_of(body, "id", str)
        if not _ID.fullmatch(decision_id):
            raise LineError("field id is no decision id")
        item = None if body.get("item", "") is None else trail.field_of(body, "item", str)
        if self.current is None:
            self.find("no readable transaction precedes the decision", decision_id)
            return
        entry = self.current.expected.pop(decision_id, None)
        if entry is None:
            self.find("the transaction did not write this decision, or the file's filter does not take it", decision_id)
            return
        if entry.place < self.place:
            self.find("the decision is out of order", decision_id)
        self.place = entry.place
        current = self.current
        checked = evidence.check_decision(
            current.transaction, current.creator, decision_id, current.publics[decision_id], item
        )
        for problem in checked.problems:
            self.find(problem, decision_id)
        filter_ = self.header.filter if self.header else None
        if filter_ and filter_.patient and checked.record and checked.record.patient != filter_.patient:
            self.find("the file's filter does not take this decision", decision_id)
        again = False
        if self.reexecution and checked.record and checked.record.answer and checked.input:
            try:
                problems = self.reexecution.check(checked.record, checked.input, self.cards)
            except ModelMissingError as error:
                self.missing[str(error)] += 1
            else:
                again = not problems
                for problem in problems:
                    self.find(problem, decision_id)
        if sound and current.sound and len(self.findings) == before and self.findings_complete:
            self.verified += 1
            self.erased += item is None
            self.answered += entry.outcome == "answered"
            self.reexecuted += again
        if self.progress is not None:
            self.progress(self.decisions, self.header.decisions if self.header else self.decisions)

    def take_seal(self, body: Mapping[str, Any]) -> None:
        self.end_transaction()
        self.sealed = True
        if self.header is not None and self.header.decisions != self.decisions:
            self.find(f"the file has {self.decisions} decisions, and its header tells {self.header.decisions}")
        if trail.field_number(body, "decisions") != self.decisions:
            self.find(f"the file has {self.decisions} decisions, and {body['decisions']} were sealed")
        if trail.field_number(body, "transactions") != self.transactions:
            self.find(f"the file has {self.transactions} transactions, and {body['transactions']} were sealed")
        if trail.field_of(body, "sha256", str) != self.digest.hexdigest():
            self.find("what precedes the seal is not what was sealed")
        signature = trail.field_bytes(body, "signature")
        if self.auditor is None or not certificate.verify(
            self.auditor.certificate.public_key, signature, trail.seal_statement(body)
        ):
            self.find("the seal is not signed by the auditor")

    def report(self) -> Report:
        info = None
        if self.checkpoint is not None and self.auditor is not None:
            log = self.checkpoint
            info = CheckpointInfo(log.origin, log.size, log.root.hex(), self.auditor.msp_id, self.auditor.fingerprint)
        return Report(
            findings=tuple(self.findings),
            findings_complete=self.findings_complete,
            notes=tuple(
                f"{count} of the answers could not be executed again: {why}" for why, count in self.missing.items()
            ),
            is_export=self.is_export,
            filter=self.header.filter.to_json() if self.header else None,
            transactions=self.transactions,
            decisions=self.decisions,
            verified=self.verified,
            answered=self.answered,
            erased=self.erased,
            reexecuted=self.reexecuted,
            created=str(self.header.to_json()["created"]) if self.header else "",
            policies=tuple(text for _, text in self.header.policies) if self.header else (),
            checkpoint=info,
        )


def _lines(readline: Callable[[int], bytes]) -> Iterator[bytes]:
    """Lines of at most MAX_LINE_BYTES: a longer one comes in pieces, none of which is of a line's form."""
    while data := readline(trail.MAX_LINE_BYTES):
        yield data
