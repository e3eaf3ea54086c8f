"""The steps of `salus demo`, one method each. Each returns what it found; `services.cli.demo` tells it and judges it.

114 held-out rows of `models/breast_cancer` are the patients of hospital A: 100 consent, 8 do not, 5 consent and revoke,
and the last one revokes while their diagnosis is between endorsement and commit.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import grpc
from salus.audit.v1 import audit_pb2
from salus.inference.v1 import inference_pb2

from chaincode.core import metrics
from chaincode.core.provision import Actor, Provision, Type
from services.cli import audit, models, patients, sample
from services.cli.connection import Connection
from services.cli.dishonest import Overtaken, Workshop
from services.cli.failures import Failure
from services.cli.launcher import Network
from services.cli.output import Progress
from services.cli.sample import DATA_CLASS, MODEL_ID, Row
from services.cli.topology import HOSPITAL_A, PEERS, Layout
from services.common.errors import explain
from services.inference.errors import RecordRefusedError
from services.inference.question import Measurement, Question, Requester

GRANTING, SILENT, REVOKING = 100, 8, 5
CONSENT_DAYS = 90
AT_ONCE = 8
ASKED_AT_ONCE = 2
FOLLOW_SECONDS = 20.0
STAGES = ("consent", "inference", "endorse", "commit")
CLINICIAN = "dr-adams"

# A process in which this runs first can open no connection, and cannot even load gRPC.
_OFFLINE = """
import runpy, sys
def refuse(event, args):
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"):
        raise PermissionError("this process has no network")
    if event == "import" and args[0].partition(".")[0] == "grpc":
        raise PermissionError("this process has no gRPC")
sys.addaudithook(refuse)
runpy.run_module("services.cli", run_name="__main__")
"""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass
class Patient:
    """One row as a patient. `consents` are the ids granted; `outcome` is answered, or the reason of a refusal."""

    number: int
    row: Row
    pseudonym: str = ""
    folder: Path = Path()
    consents: list[str] = field(default_factory=list)
    outcome: str = ""
    message: str = ""
    probability: float = 0.0
    label: str = ""
    explanation: list[tuple[str, float]] = field(default_factory=list)
    decision_id: str = ""
    transaction_id: str = ""
    seconds: float = 0.0
    timing: dict[str, float] = field(default_factory=dict)

    @property
    def question(self) -> Question:
        return Question(
            request_id=f"demo-{self.number}",
            patient=self.pseudonym,
            model_id=MODEL_ID,
            model_version="",
            measurements=tuple(Measurement(name, (value,)) for name, value in self.row.measurements.items()),
            purpose="TREAT",
        )


@dataclass(frozen=True)
class Attack:
    """What a dishonest inference service tried, and the reason for which no organisation endorsed it."""

    what: str
    expected: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """What a fresh process printed, and its exit code."""

    code: int
    text: str


class Story:
    """One telling, in the folder of a network that is up."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.layout: Layout = network.layout
        rows = sample.rows()
        self.patients = [Patient(number, row) for number, row in enumerate(rows, 1)]
        self.granting = self.patients[:GRANTING]
        self.silent = self.patients[GRANTING : GRANTING + SILENT]
        self.revoking = self.patients[GRANTING + SILENT : GRANTING + SILENT + REVOKING]
        self.overtaken = self.patients[-1]
        self.trail = self.layout.root / "trail.jsonl"
        self.roots = self.layout.root / "roots"

    async def enrol_patients(self, progress: Progress) -> None:
        """Every patient gets a pseudonym, a key of their own and a certificate of hospital A."""
        async with Connection(self.network.profile_named("registrar-a")) as registrar:

            async def enrol(patient: Patient) -> None:
                folder = self.layout.patient(f"{patient.number:03}")
                patient.pseudonym, patient.folder = await patients.enrol(registrar, f"MRN-{patient.number:04}", folder)

            await _each(enrol, self.patients, progress)

    async def deploy_model(self) -> dict[str, Any]:
        """Proposed, validated, deployed; returns the model as it is on the ledger."""
        return await sample.deploy(self.network)

    async def consent(self, progress: Progress) -> None:
        """Grants, and the revocations that come before anybody asks."""
        provision = Provision(
            Type.PERMIT,
            Actor(organisation=HOSPITAL_A),
            data_classes=frozenset({DATA_CLASS}),
            purposes=frozenset({"TREAT"}),
            end=datetime.now(UTC) + timedelta(days=CONSENT_DAYS),
        )

        async def grant(patient: Patient) -> None:
            async with self._as_patient(patient) as connection:
                client = connection.consent()
                patient.consents.append((await client.grant([provision])).consent_id)
                if patient in self.revoking:
                    await client.revoke(patient.consents[0])

        await _each(grant, [*self.granting, *self.revoking, self.overtaken], progress)

    async def ask(self, progress: Progress) -> None:
        """A clinician of hospital A asks for every patient; for the last one the revocation overtakes the answer."""
        async with Connection(self.network.profile_named(CLINICIAN)) as clinician:
            stub = clinician.inference()
            await _each(lambda patient: self._ask(stub, patient), self.patients[:-1], progress, ASKED_AT_ONCE)

    async def ask_overtaken(self) -> list[str]:
        """Revokes between endorsement and commit; returns the validation codes of the service's two attempts."""
        patient = self.overtaken

        async def revoke() -> None:
            async with self._as_patient(patient) as connection:
                await connection.consent().revoke(patient.consents[0])

        async with AsyncExitStack() as stack:
            workshop = await self._workshop(stack)
            ledger = Overtaken(workshop.ledger, revoke)
            started = time.perf_counter()
            [decision] = await workshop.over(ledger).diagnose([patient.question], _requester())
            patient.seconds = time.perf_counter() - started
        patient.outcome = "answered" if decision.record.answer else "NO_CONSENT"
        patient.message, patient.decision_id = decision.record.reason, decision.record.id
        patient.transaction_id = decision.transaction_id
        return ledger.outcomes

    async def foreign_hospital(self) -> str:
        """A clinician of hospital B asks hospital A's service; returns the reason of the answer."""
        async with Connection(self.network.profile_named("dr-baker")) as clinician:
            try:
                await clinician.inference().Diagnose(_request(self.granting[0]), timeout=30)
            except grpc.aio.AioRpcError as error:
                return explain(error).reason
        return "answered"

    async def attack(self) -> list[Attack]:
        """Three lies of an inference service with valid credentials; each must find no endorsement."""
        first, second = self.granting[:2]
        scratch = self.layout.root / "attack"
        scratch.mkdir(exist_ok=True)
        async with AsyncExitStack() as stack:
            workshop = await self._workshop(stack)
            wrong_model = workshop.with_another_model(scratch, sample.FOLDER / "model.onnx")
            attempts = [
                ("reports the opposite of what the model said", "OUTPUT_MISMATCH", workshop.inverting(), first, first),
                ("answers with another model file", "WRONG_MODEL", wrong_model, first, first),
                (
                    "answers for one patient with another's input",
                    "REUSED_INPUT",
                    workshop.over(workshop.ledger),
                    second,
                    first,
                ),
            ]
            found = []
            for number, (what, expected, diagnoser, about, measured) in enumerate(attempts, 1):
                question = Question(
                    f"attack-{number}", about.pseudonym, MODEL_ID, "", measured.question.measurements, "TREAT"
                )
                try:
                    await diagnoser.diagnose([question], _requester())
                    reason = "endorsed"
                except RecordRefusedError as error:
                    reason = error.reason
                found.append(Attack(what, expected, reason))
        return found

    async def uses_seen(self) -> int:
        """How many uses and refusals the first patient sees of their own data."""
        async with self._as_patient(self.granting[0]) as connection:
            return len((await connection.consent().uses()).uses)

    async def export(self, progress: Progress) -> int:
        """The inspector exports the trail, once the audit service has every decision. Returns how many it holds."""
        async with Connection(self.network.profile_named("inspector")) as inspector:
            stub = inspector.audit()
            deadline = time.monotonic() + FOLLOW_SECONDS
            while len([each async for each in audit.search(stub, audit_pb2.Filter())]) < len(self.patients):
                if time.monotonic() > deadline:
                    raise Failure("AUDIT_BEHIND", "the audit service did not see every decision in time")
                await asyncio.sleep(0.1)
            return await audit.export(stub, audit_pb2.Filter(), self.trail, progress)

    async def verify(self) -> Checked:
        """A fresh process without network, the file and the root certificates."""
        for msp_id in PEERS:
            self.roots.mkdir(exist_ok=True)
            shutil.copy(self.layout.msp / msp_id / "msp" / "cacerts" / "ca.pem", self.roots / f"{msp_id}.pem")
        return await self._offline(
            "audit", "verify", str(self.trail), "--roots", str(self.roots), "--models", str(self._models())
        )

    async def flip_export(self) -> Checked:
        """One byte of a copy of the export is changed."""
        copy = self.layout.root / "trail-changed.jsonl"
        copy.write_bytes(_flip(self.trail.read_bytes()))
        return await self._offline("audit", "verify", str(copy), "--roots", str(self.roots))

    async def flip_block(self) -> Checked:
        """One byte of a copy of the block store is changed."""
        copy = self.layout.root / "blocks-changed"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.layout.blocks, copy)
        segment = max(copy.iterdir(), key=lambda path: path.stat().st_size)
        segment.write_bytes(_flip(segment.read_bytes()))
        return await self._offline("ledger", "fsck", str(copy))

    async def check_blocks(self) -> Checked:
        """The block store as it is."""
        return await self._offline("ledger", "fsck", str(self.layout.blocks))

    def quality(self) -> dict[str, float]:
        """How good the answers were, against the true diagnoses."""
        answered = [patient for patient in self.patients if patient.outcome == "answered"]
        card = models.read_card(sample.FOLDER / "card.yaml")
        truths = [patient.row.malignant for patient in answered]
        return metrics.evaluate(truths, [patient.probability for patient in answered], card.threshold)

    def durations(self) -> dict[str, list[float]]:
        """Seconds of each stage of each answer, and of the whole call as the clinician waited for it."""
        answered = [patient for patient in self.patients if patient.timing]
        stages = {stage: [patient.timing[stage] for patient in answered] for stage in STAGES}
        return stages | {"whole call": [patient.seconds for patient in answered]}

    async def _ask(self, stub: Any, patient: Patient) -> None:
        started = time.perf_counter()
        try:
            response = await stub.Diagnose(_request(patient), timeout=60)
        except grpc.aio.AioRpcError as error:
            details = explain(error)
            if details.code is not grpc.StatusCode.PERMISSION_DENIED or "transaction_id" not in details.metadata:
                raise
            patient.outcome, patient.message = details.reason, details.message
            patient.decision_id = details.metadata["decision_id"]
            patient.transaction_id = details.metadata["transaction_id"]
            return
        finally:
            patient.seconds = time.perf_counter() - started
        decision = response.decision
        patient.outcome, patient.label, patient.probability = "answered", decision.label, decision.probability
        patient.explanation = [(each.name, each.contribution) for each in decision.explanation]
        patient.decision_id, patient.transaction_id = decision.decision_id, decision.transaction_id
        patient.timing = {stage: getattr(decision.timing, stage) for stage in STAGES}

    async def _workshop(self, stack: AsyncExitStack) -> Workshop:
        """The inference service's own credentials, in this process."""
        folder = self.layout.identity(HOSPITAL_A, "inference")
        connection = await stack.enter_async_context(Connection(self.network.profile_of(HOSPITAL_A, folder)))
        return Workshop(connection.ledger(), connection.signer, self._models())

    def _models(self) -> Path:
        return self.layout.models(HOSPITAL_A)

    def _as_patient(self, patient: Patient) -> Connection:
        return Connection(self.network.profile_of(HOSPITAL_A, patient.folder))

    async def _offline(self, *arguments: str) -> Checked:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _OFFLINE,
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        return Checked(process.returncode or 0, output.decode().strip())


def _requester() -> Requester:
    return Requester(HOSPITAL_A, "clinician", CLINICIAN)


def _request(patient: Patient) -> inference_pb2.DiagnoseRequest:
    question = patient.question
    return inference_pb2.DiagnoseRequest(
        request_id=question.request_id,
        patient=question.patient,
        model_id=question.model_id,
        measurements=[inference_pb2.Measurement(name=each.name, values=each.values) for each in question.measurements],
        purpose=question.purpose,
    )


def _flip(data: bytes) -> bytes:
    """The bytes with one bit of one of them changed, somewhere."""
    changed = bytearray(data)
    changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)  # noqa: S311  # no secret depends on it
    return bytes(changed)


async def _each(
    function: Callable[[_Item], Awaitable[_Result]], items: Sequence[_Item], progress: Progress, at_once: int = AT_ONCE
) -> list[_Result]:
    """Calls the function for every item, some at a time, and tells the progress."""
    turn, done = asyncio.Semaphore(at_once), 0

    async def one(item: _Item) -> _Result:
        nonlocal done
        async with turn:
            result = await function(item)
        done += 1
        progress(done, len(items))
        return result

    return await asyncio.gather(*(one(item) for item in items))
