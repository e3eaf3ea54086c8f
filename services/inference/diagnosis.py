"""How a question becomes an answer. The order is the promise:

1. The questions are checked; a fault in any of them ends the call, and nothing is recorded.
2. Decisions already recorded under a question's request id are answered from the ledger, if the same person asks
   the same.
3. The model must be deployed, and its file the registered one; the measurements must be what its card takes.
4. Consent is evaluated. Without it the model is not run, and the refusal is what gets recorded.
5. The model runs; a record is made of each answer or refusal; one signature covers the Merkle root over all of them.
6. The organisations endorse, which repeats every check from 2 on and runs the model again.
7. The transaction is ordered and committed. Only then does anybody get an answer.

Where the ledger moved on between 2 and 7 (a consent revoked, a model suspended, the same request recorded by another
call) everything from 2 on is done afresh, so the answer is always that of the state the record was committed on.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from chaincode.core import batch, record
from chaincode.core.batch import Batch
from chaincode.core.provision import Verdict
from chaincode.core.record import Record
from chaincode.runtime.executor import ExecutionError, ModelExecutor, ModelFileError
from services.common.signer import Signer
from services.inference import draft
from services.inference.draft import Prepared
from services.inference.errors import (
    DecisionNotFoundError,
    InvalidQuestionError,
    ModelUnavailableError,
    RecordInvalidError,
    RecordRefusedError,
    RequestIdUsedError,
    Violation,
)
from services.inference.ledger import VALID, Ledger, Recorded
from services.inference.question import Question, Requester, check, prefix
from services.inference.registry import MODEL_FILE_DIFFERS, Registry

CONCURRENT_QUERIES = 16
FIRST_PAUSE = 0.01
LONGEST_PAUSE = 0.5

# What endorsement or validation says when the ledger has moved on since it was asked.
OVERTAKEN = frozenset(
    {"MVCC_READ_CONFLICT", "PHANTOM_READ_CONFLICT", "ALREADY_RECORDED", "CONSENT_MISMATCH", "MODEL_NOT_DEPLOYED"}
)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Timing:
    """Seconds spent in each stage, repeated attempts included; zero for a decision that was looked up."""

    consent: float = 0.0
    inference: float = 0.0
    endorse: float = 0.0
    commit: float = 0.0


@dataclass(frozen=True)
class Decision:
    """A committed decision. `body` is the record verbatim; an answer where `record.answer` is set, else a refusal."""

    record: Record
    body: bytes
    salt: bytes
    transaction_id: str
    block_number: int
    timing: Timing = Timing()


class Diagnoser:
    """Answers questions for one organisation, whose `signer` signs the records.

    `clock` gives aware UTC, `entropy` that many random bytes, `monotonic` seconds; `pause` sleeps between attempts.
    """

    def __init__(
        self,
        ledger: Ledger,
        registry: Registry,
        executor: ModelExecutor,
        signer: Signer,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        entropy: Callable[[int], bytes] = os.urandom,
        monotonic: Callable[[], float] = time.perf_counter,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        attempts: int = 5,
    ) -> None:
        self._ledger = ledger
        self._registry = registry
        self._executor = executor
        self._signer = signer
        self._clock = clock
        self._entropy = entropy
        self._monotonic = monotonic
        self._pause = pause
        self._attempts = attempts

    async def diagnose(self, questions: Sequence[Question], requester: Requester) -> list[Decision]:
        """One committed decision a question, in the order asked; those made now are in one transaction.

        Raises InvalidQuestionError, RequestIdUsedError, ModelUnavailableError, LedgerUnreachableError,
        OutcomeUnknownError, RecordRefusedError, RecordInvalidError. Only after OutcomeUnknownError may anything have
        been recorded.
        """
        if violations := check(questions):
            raise InvalidQuestionError(violations)
        watch = _Watch(self._monotonic)
        attempt = 1
        while True:
            try:
                return await self._attempt(questions, requester, watch)
            except (RecordRefusedError, RecordInvalidError) as error:
                if error.reason not in OVERTAKEN or attempt >= self._attempts:
                    raise
            await self._pause(self._backoff(attempt))
            attempt += 1

    async def decision(self, decision_id: str, requester: Requester) -> Decision:
        """A committed decision that the requester asked for. Raises DecisionNotFoundError, LedgerUnreachableError."""
        found = await self._ledger.recorded(self._signer.msp_id, decision_id)
        if found is None:
            raise DecisionNotFoundError
        decision = _looked_up(found)
        if decision.record.requester.person != requester.person:
            raise DecisionNotFoundError
        return decision

    async def _attempt(self, questions: Sequence[Question], requester: Requester, watch: _Watch) -> list[Decision]:
        with watch.stage("consent"):
            decisions = await self._recorded(questions, requester)
            places = [place for place, decision in enumerate(decisions) if decision is None]
            prepared = await self._prepare(questions, places, requester)
            verdicts = await _each(self._consent, prepared)
        if prepared:
            with watch.stage("inference"):
                drafts = await asyncio.to_thread(self._draft, prepared, verdicts)
            made = await self._commit(drafts, watch)
            for place, decision in zip(places, made, strict=True):
                decisions[place] = decision
        return [decision for decision in decisions if decision is not None]

    async def _recorded(self, questions: Sequence[Question], requester: Requester) -> list[Decision | None]:
        """What is recorded under each question's request id. Raises RequestIdUsedError."""

        async def look_up(question: Question) -> Decision | None:
            decision_id = record.decision_id(self._signer.msp_id, question.request_id)
            found = await self._ledger.recorded(self._signer.msp_id, decision_id)
            if found is None:
                return None
            decision = _looked_up(found)
            if not draft.repeats(question, requester, decision.record, found.item):
                raise RequestIdUsedError(decision_id)
            return decision

        return await _each(look_up, questions)

    async def _prepare(
        self, questions: Sequence[Question], places: Sequence[int], requester: Requester
    ) -> list[Prepared]:
        """The questions at these places with their models. Raises ModelUnavailableError, InvalidQuestionError."""
        wanted = dict.fromkeys((questions[place].model_id, questions[place].model_version) for place in places)
        models = {each: await self._registry.deployed(*each) for each in wanted}
        prepared: list[Prepared] = []
        violations: list[Violation] = []
        for place in places:
            question = questions[place]
            found = draft.prepare(question, requester, models[question.model_id, question.model_version])
            if isinstance(found, Prepared):
                prepared.append(found)
            else:
                violations += (replace(each, field=prefix(place) + each.field) for each in found)
        if violations:
            raise InvalidQuestionError(violations)
        return prepared

    async def _consent(self, prepared: Prepared) -> Verdict:
        return await self._ledger.consent(prepared.question.patient, prepared.use)

    def _draft(self, prepared: Sequence[Prepared], verdicts: Sequence[Verdict]) -> list[_Draft]:
        return [
            self._run(*each) if each[1].permitted else self._refuse(*each)
            for each in zip(prepared, verdicts, strict=True)
        ]

    def _run(self, prepared: Prepared, verdict: Verdict) -> _Draft:
        started = self._clock()
        try:
            output = self._executor.run(prepared.model.card, prepared.values)
        except ModelFileError as error:
            raise ModelUnavailableError(MODEL_FILE_DIFFERS, str(error)) from None
        except ExecutionError as error:
            raise ModelUnavailableError("MODEL_FAILED", str(error)) from None
        ended = max(started, self._clock())
        body, salt = draft.model_input(prepared.question).encode(), self._entropy(record.SALT_BYTES)
        made = draft.answered(prepared, verdict, output, record.commitment(salt, body), started, ended)
        return _Draft(made, self._entropy(record.SALT_BYTES), body, salt)

    def _refuse(self, prepared: Prepared, verdict: Verdict) -> _Draft:
        made = draft.refused(prepared, verdict, self._clock())
        return _Draft(made, self._entropy(record.SALT_BYTES))

    async def _commit(self, drafts: Sequence[_Draft], watch: _Watch) -> list[Decision]:
        """Has the records endorsed and committed. Raises as `diagnose`."""
        contents = [(each.record.encode(), each.salt, each.input, each.input_salt) for each in drafts]
        root, items = batch.arrange(contents)
        signature = self._signer.sign(batch.statement(root, len(items)))
        with watch.stage("endorse"):
            transaction = await self._ledger.endorse(Batch(root, len(items), signature, items))
        with watch.stage("commit"):
            await self._ledger.submit(transaction)
            code, block_number = await self._ledger.outcome(transaction.transaction_id)
        if code != VALID:
            raise RecordInvalidError(transaction.transaction_id, code)
        timing = watch.timing()
        return [
            Decision(each.record, item.record, item.salt, transaction.transaction_id, block_number, timing)
            for each, item in zip(drafts, items, strict=True)
        ]

    def _backoff(self, attempt: int) -> float:
        """Seconds before the next attempt: doubling, and random in its upper half so that rivals part ways."""
        longest = min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE)
        return longest * (0.5 + int.from_bytes(self._entropy(2)) / 131072)


@dataclass(frozen=True)
class _Draft:
    """A record to be, and the input that goes with an answer."""

    record: Record
    salt: bytes
    input: bytes = b""
    input_salt: bytes = b""


class _Watch:
    """Adds up the time of each stage over all attempts."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        started = self._monotonic()
        try:
            yield
        finally:
            self._seconds[name] = self._seconds.get(name, 0.0) + self._monotonic() - started

    def timing(self) -> Timing:
        return Timing(**self._seconds)


def _looked_up(found: Recorded) -> Decision:
    item = found.item
    return Decision(record.parse(item.record), item.record, item.salt, found.transaction_id, found.block_number)


async def _each(function: Callable[[_Item], Awaitable[_Result]], items: Sequence[_Item]) -> list[_Result]:
    """Calls the function for every item, some at a time, and keeps the order."""
    turn = asyncio.Semaphore(CONCURRENT_QUERIES)

    async def one(item: _Item) -> _Result:
        async with turn:
            return await function(item)

    return await asyncio.gather(*(one(item) for item in items))
