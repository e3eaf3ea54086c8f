"""Decisions: what an AI model answered, or was refused, recorded only if each endorsing organisation agrees.

`Record` takes a signed batch as transient data and trusts nothing of it. An organisation endorses after these checks,
in this order; the first that fails ends the transaction with the reason named:

| check | reason |
| --- | --- |
| 1. the caller has role inference | NOT_INFERENCE_SERVICE |
| 2. the transaction's time is within 5 minutes of this endorser's clock | STALE_TIMESTAMP |
| 3. the batch is whole, in order, and of 1 to 256 records | BAD_BATCH |
| 4. the caller's key signed the batch's root | BAD_SIGNATURE |
| 5. each record's path leads to that root | BAD_PROOF |
| 6. each record is canonical and consistent, its id that of its organisation and request | BAD_RECORD |
| 7. no two records are about one request | DUPLICATE |
| 8. the requester is a clinician of the caller's organisation | WRONG_ORGANISATION, BAD_RECORD |
| 9. the record's times are within 5 minutes of the transaction's | STALE_TIMESTAMP |
| 10. the decision is not recorded yet | ALREADY_RECORDED |
| 11. the decision it amends exists, of the same patient and organisation | WRONG_AMENDMENT |
| 12. its model is deployed, and named by file, card and data class | UNKNOWN_MODEL, MODEL_NOT_DEPLOYED, WRONG_MODEL |
| 13. it is kept for as long as the card says | RETENTION |
| 14. it rests on what the contract `consent` says in this very transaction | CONSENT_MISMATCH |
| 15. a refusal keeps no input; an answer's is the one committed to, within the card's ranges | BAD_INPUT |
| 16. the input was made for this request, and not measured on another patient | REUSED_INPUT |
| 17. this organisation has the registered model file, and runs it | MODEL_FILE, EXECUTION_FAILED |
| 18. its own run gives the recorded output, within the card's tolerance | OUTPUT_MISMATCH |

8 to 14 are done record by record, then 15 and 16, then 17 and 18 for each model's records at once.

Reads do not see the transaction's own writes, so what must be unique within a batch is checked within it (7, 16). A
revocation that is committed between endorsement and commit makes the transaction invalid, since 14 has read the
patient's consents.

What is kept: public `decision/<id>`, with nothing personal; in the private collection `decisions_<MSP id>` of the
organisation and the regulator `record/<id>`, the item as signed, and, for models whose inputs tell patients apart,
`measurements/<digest>`; and a use under the patient in the contract `consent`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from chaincode.api.clock import Clock, system_clock
from chaincode.api.clock import check as check_time
from chaincode.api.context import Context
from chaincode.api.contract import Contract, transaction
from chaincode.api.errors import ContractError
from chaincode.core import batch, canonical, card, decision_checks, record
from chaincode.core.card import Card
from chaincode.core.decision_checks import Claim, RefusedError
from chaincode.runtime.executor import ExecutionError, ModelFileError, ModelRepository, OnnxExecutor, Output

READERS = ("inference", "audit", "inspector")


class Executor(Protocol):
    """Runs a registered model on rows of values, each in the order of the card's inputs."""

    def run_rows(self, card: Card, rows: Sequence[Sequence[float]]) -> list[Output]:
        """Raises ModelFileError, ExecutionError."""


class DecisionsContract(Contract):
    """Functions `Record`, `Get`, `GetRecord`."""

    name = "decisions"

    def __init__(self, executor: Executor, clock: Clock = system_clock) -> None:
        self._executor = executor
        self._clock = clock

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Settings: `models`, the folder of this organisation's model files."""
        folder = config.get("models")
        if not isinstance(folder, str | Path) or not str(folder):
            raise ValueError("contract decisions needs the setting `models`, a folder")
        return cls(OnnxExecutor(ModelRepository(Path(folder))))

    @transaction
    def record(self, ctx: Context) -> list[str]:
        """Records the batch in transient `batch` (see `chaincode.core.batch`); answers the decisions' ids in order."""
        client = ctx.client_identity
        if client.role != "inference":
            raise ContractError("NOT_INFERENCE_SERVICE", "decisions are recorded by an inference service")
        check_time(ctx.now, self._clock())
        try:
            return self._record(ctx, ctx.transient("batch"))
        except RefusedError as error:
            raise ContractError(error.reason, error.message) from None

    @transaction(readonly=True)
    def get(self, ctx: Context, decision_id: str) -> bytes:
        """The public part of a decision. NOT_FOUND."""
        return _found(ctx.stub.get_state(ctx.stub.create_composite_key("decision", [decision_id])))

    @transaction(readonly=True)
    def get_record(self, ctx: Context, organisation: str, decision_id: str) -> bytes:
        """The item of a decision as recorded (JSON of `chaincode.core.batch.Item`). NOT_FOUND, ACCESS_DENIED.

        For the collection's members: roles inference, audit and inspector, the clinician who asked, and the patient
        whom it is about.
        """
        client = ctx.client_identity
        client.assert_role(*READERS, "clinician", "patient")
        value = ctx.stub.get_private_data(_collection(organisation), f"record/{decision_id}")
        if client.role == "patient" and (not value or _patient(value) != client.enrolment_id):
            raise ContractError("ACCESS_DENIED", "a patient reads records about themselves")
        if client.role == "clinician" and (not value or _asker(value) != client.enrolment_id):
            raise ContractError("ACCESS_DENIED", "a clinician reads records that they asked for")
        return _found(value)

    def _record(self, ctx: Context, body: bytes) -> list[str]:
        client = ctx.client_identity
        signed = decision_checks.read_batch(body)
        if not batch.is_signed(signed.root, signed.size, signed.signature, client.public_key):
            raise RefusedError("BAD_SIGNATURE", "the batch is not signed by the caller's key")
        for item in signed.items:
            if not batch.is_included(item, signed.root, signed.size):
                raise RefusedError("BAD_PROOF", f"the path of record {item.index} does not lead to the signed root")
        claims = decision_checks.read_claims(signed.items)
        models = _Models(ctx)
        collection = _collection(client.msp_id)
        for claim in claims:
            decision_checks.check_requester(claim.record, client.msp_id)
            decision_checks.check_times(claim.record, ctx.now)
            if ctx.stub.get_state(_public_key(ctx, claim.record.id)):
                raise RefusedError("ALREADY_RECORDED", "a decision on this request is recorded")
            if claim.record.amends:
                _check_amendment(ctx, claim.record, collection)
            decision_checks.check_model(claim.record, *models.get(claim.record.model))
            decision_checks.check_consent(claim.record, _verdict(ctx, claim.record))
        measured = self._execute(ctx, claims, models, collection)
        for claim in claims:
            _write(ctx, claim, signed, collection)
        for key, patient in measured.items():
            ctx.stub.put_private_data(collection, key, canonical.encode({"patient": patient}))
        return [claim.record.id for claim in claims]

    def _execute(self, ctx: Context, claims: Sequence[Claim], models: _Models, collection: str) -> dict[str, str]:
        """Checks inputs and outputs; answers the patients by the keys of measurements that are new."""
        measured: dict[str, str] = {}
        rows: dict[record.Model, list[tuple[Claim, tuple[float, ...]]]] = {}
        for claim in claims:
            if claim.record.answer is None:
                decision_checks.check_refusal(claim)
                continue
            given = decision_checks.read_input(claim)
            _, described = models.get(claim.record.model)
            rows.setdefault(claim.record.model, []).append(
                (claim, decision_checks.input_values(claim.record, given, described))
            )
            if not described.inputs_may_repeat:
                _check_measured(ctx, collection, f"measurements/{given.digest}", given.patient, measured)
        for model, asked in rows.items():
            self._re_execute(models.get(model)[1], asked)
        return measured

    def _re_execute(self, described: Card, asked: Sequence[tuple[Claim, tuple[float, ...]]]) -> None:
        try:
            outputs = self._executor.run_rows(described, [values for _, values in asked])
        except ModelFileError as error:
            raise RefusedError("MODEL_FILE", str(error)) from None
        except ExecutionError as error:
            raise RefusedError("EXECUTION_FAILED", str(error)) from None
        for (claim, values), output in zip(asked, outputs, strict=True):
            decision_checks.check_output(claim.record, values, described, output.probability, output.contributions)


class _Models:
    """The registered models that a batch names, each asked for once."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._known: dict[tuple[str, str], tuple[dict[str, Any], Card]] = {}

    def get(self, model: record.Model) -> tuple[dict[str, Any], Card]:
        """The version as the contract `models` has it, and its card. UNKNOWN_MODEL."""
        key = (model.id, model.version)
        if key not in self._known:
            try:
                registered = canonical.decode(self._ctx.call("models", "Get", model.id, model.version))
            except ContractError as error:
                if error.reason != "NOT_FOUND":
                    raise
                raise RefusedError("UNKNOWN_MODEL", "the model is not registered") from None
            self._known[key] = (registered, card.parse(canonical.decode(registered["card"].encode())))
        return self._known[key]


def _collection(organisation: str) -> str:
    return f"decisions_{organisation}"


def _public_key(ctx: Context, decision_id: str) -> str:
    return ctx.stub.create_composite_key("decision", [decision_id])


def _found(value: bytes) -> bytes:
    if not value:
        raise ContractError("NOT_FOUND", "there is no such decision")
    return value


def _patient(item: bytes) -> str:
    return record.parse(batch.parse_item(canonical.decode(item)).record).patient


def _asker(item: bytes) -> str:
    return record.parse(batch.parse_item(canonical.decode(item)).record).requester.person


def _verdict(ctx: Context, found: record.Record) -> dict[str, Any]:
    """What the contract `consent` says of the use, read in this transaction."""
    query = {
        "patient": found.patient,
        "actor": vars(found.requester),
        "data_class": found.data_class,
        "purpose": found.purpose,
        "model": found.model.id,
        "emergency_reason": found.emergency_reason,
    }
    verdict: dict[str, Any] = canonical.decode(ctx.call("consent", "Evaluate", canonical.encode(query)))
    return verdict


def _check_amendment(ctx: Context, found: record.Record, collection: str) -> None:
    value = ctx.stub.get_state(_public_key(ctx, found.amends))
    item = ctx.stub.get_private_data(collection, f"record/{found.amends}")
    decision_checks.check_amendment(found, canonical.decode(value) if value else None, _patient(item) if item else "")


def _check_measured(ctx: Context, collection: str, key: str, patient: str, measured: dict[str, str]) -> None:
    """REUSED_INPUT where the same measurements were given for another patient, before or in this batch."""
    value = ctx.stub.get_private_data(collection, key)
    known = canonical.decode(value)["patient"] if value else measured.get(key)
    if known is None:
        measured[key] = patient
    elif known != patient:
        raise RefusedError("REUSED_INPUT", "the same measurements were given for another patient")


def _write(ctx: Context, claim: Claim, signed: batch.Batch, collection: str) -> None:
    found, transaction_id = claim.record, ctx.stub.get_tx_id()
    public = decision_checks.public_part(claim, signed, transaction_id)
    ctx.stub.put_state(_public_key(ctx, found.id), canonical.encode(public))
    ctx.stub.put_private_data(collection, f"record/{found.id}", canonical.encode(claim.item.to_json()))
    use = decision_checks.use(found, transaction_id, ctx.now)
    ctx.call("consent", "RecordUse", found.patient, canonical.encode(use))
