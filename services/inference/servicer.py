"""The gRPC edge: protobuf in and out, and the one map from this service's errors to statuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import grpc
import grpc.aio
from google.protobuf import timestamp_pb2
from salus.inference.v1 import inference_pb2 as pb
from salus.inference.v1 import inference_pb2_grpc

from chaincode.core.provision import Basis
from services.common.access import caller
from services.common.errors import StatusError
from services.inference import errors
from services.inference.admission import Admission
from services.inference.diagnosis import Decision, Diagnoser
from services.inference.question import MAX_BATCH, Measurement, Question, Requester, check_decision_id, prefix
from services.inference.registry import Registry, Standing

_Context = grpc.aio.ServicerContext[Any, Any]

_CODES: dict[type[errors.InferenceError], grpc.StatusCode] = {
    errors.InvalidQuestionError: grpc.StatusCode.INVALID_ARGUMENT,
    errors.RequestIdUsedError: grpc.StatusCode.ALREADY_EXISTS,
    errors.ModelUnavailableError: grpc.StatusCode.FAILED_PRECONDITION,
    errors.ModelNotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.DecisionNotFoundError: grpc.StatusCode.NOT_FOUND,
    errors.LedgerUnreachableError: grpc.StatusCode.UNAVAILABLE,
    errors.OutcomeUnknownError: grpc.StatusCode.UNAVAILABLE,
    errors.RecordRefusedError: grpc.StatusCode.ABORTED,
    errors.RecordInvalidError: grpc.StatusCode.ABORTED,
    errors.OverloadedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
}


class InferenceServicer(inference_pb2_grpc.InferenceServiceServicer):
    """`salus.inference.v1.InferenceService`; `access.py` says who may call what."""

    def __init__(self, diagnoser: Diagnoser, registry: Registry, admission: Admission) -> None:
        self._diagnoser = diagnoser
        self._registry = registry
        self._admission = admission

    async def Diagnose(self, request: pb.DiagnoseRequest, context: _Context) -> pb.DiagnoseResponse:
        (decision,) = await self._diagnose([request], within=prefix(0))
        if decision.record.answer is None:
            refusal = _refusal(decision)
            raise StatusError(
                grpc.StatusCode.PERMISSION_DENIED,
                refusal.reason,
                refusal.message,
                metadata={"decision_id": refusal.decision_id, "transaction_id": refusal.transaction_id},
            )
        return pb.DiagnoseResponse(decision=_decision(decision))

    async def DiagnoseBatch(self, request: pb.DiagnoseBatchRequest, context: _Context) -> pb.DiagnoseBatchResponse:
        decisions = await self._diagnose(list(request.requests))
        return pb.DiagnoseBatchResponse(results=[_result(each) for each in decisions])

    async def GetDecision(self, request: pb.GetDecisionRequest, context: _Context) -> pb.GetDecisionResponse:
        with _mapped():
            check_decision_id(request.decision_id)
            found = await self._diagnoser.decision(request.decision_id, _requester())
        return pb.GetDecisionResponse(result=_result(found))

    async def ListModels(self, request: pb.ListModelsRequest, context: _Context) -> pb.ListModelsResponse:
        with _mapped():
            return pb.ListModelsResponse(models=[_model(each) for each in await self._registry.standings()])

    async def DescribeModel(self, request: pb.DescribeModelRequest, context: _Context) -> pb.DescribeModelResponse:
        with _mapped():
            standing = await self._registry.described(request.id, request.version)
        inputs = [
            pb.ModelInput(
                name=each.name,
                unit=each.unit,
                minimum=each.minimum,
                maximum=each.maximum,
                integer=each.integer,
                description=each.description,
                length=each.length,
            )
            for each in standing.model.card.inputs
        ]
        return pb.DescribeModelResponse(model=_model(standing), inputs=inputs, card=standing.model.card_json)

    async def _diagnose(self, requests: list[pb.DiagnoseRequest], within: str = "") -> list[Decision]:
        with _mapped(within):
            # What is beyond a batch's size is refused for that, and never waits.
            async with self._admission.admit(min(len(requests), MAX_BATCH)):
                return await self._diagnoser.diagnose([_question(each) for each in requests], _requester())


def _requester() -> Requester:
    """Who asks, as the certificate says."""
    asking = caller()
    return Requester(asking.msp_id, asking.role, asking.enrolment_id)


@contextmanager
def _mapped(within: str = "") -> Iterator[None]:
    """This service's errors as statuses; `within` is what violations' fields start with and the caller has not sent."""
    try:
        yield
    except errors.InferenceError as error:
        violations = error.violations if isinstance(error, errors.InvalidQuestionError) else ()
        raise StatusError(
            _CODES[type(error)],
            error.reason,
            error.message,
            metadata=error.metadata,
            violations=[(each.field.removeprefix(within), each.description) for each in violations],
            retry_after=error.retry_after,
        ) from None


def _question(request: pb.DiagnoseRequest) -> Question:
    return Question(
        request_id=request.request_id,
        patient=request.patient,
        model_id=request.model_id,
        model_version=request.model_version,
        measurements=tuple(
            Measurement(each.name, tuple(each.values), each.unit, each.source) for each in request.measurements
        ),
        purpose=request.purpose,
        emergency_reason=request.emergency_reason,
        amends=request.amends,
    )


def _result(decision: Decision) -> pb.DiagnoseResult:
    request_id = decision.record.request_id
    if decision.record.answer is None:
        return pb.DiagnoseResult(request_id=request_id, refusal=_refusal(decision))
    return pb.DiagnoseResult(request_id=request_id, decision=_decision(decision))


def _refusal(decision: Decision) -> pb.Refusal:
    return pb.Refusal(
        decision_id=decision.record.id,
        reason="DENIED" if decision.record.consent.basis is Basis.DENIED else "NO_CONSENT",
        message=decision.record.reason,
        transaction_id=decision.transaction_id,
        block_number=decision.block_number,
    )


def _decision(decision: Decision) -> pb.Decision:
    record, timing = decision.record, decision.timing
    answer = record.answer
    assert answer is not None  # noqa: S101  # refusals become `pb.Refusal`
    explanation = sorted(answer.explanation, key=lambda each: -abs(each.contribution))
    return pb.Decision(
        decision_id=record.id,
        model_id=record.model.id,
        model_version=record.model.version,
        model_sha256=record.model.sha256,
        probability=answer.probability,
        label=answer.label,
        explanation=[
            pb.Contribution(name=each.name, value=each.value, contribution=each.contribution) for each in explanation
        ],
        transaction_id=decision.transaction_id,
        block_number=decision.block_number,
        record=decision.body,
        salt=decision.salt,
        started=_timestamp(record.started),
        ended=_timestamp(record.ended),
        timing=pb.Timing(
            consent=timing.consent, inference=timing.inference, endorse=timing.endorse, commit=timing.commit
        ),
    )


def _model(standing: Standing) -> pb.Model:
    model = standing.model
    return pb.Model(
        id=model.id,
        version=model.version,
        sha256=model.sha256,
        title=model.card.title,
        status=f"MODEL_STATUS_{model.status.upper()}",
        ready=standing.ready,
        not_ready_reason=standing.message,
    )


def _timestamp(time: datetime) -> timestamp_pb2.Timestamp:
    timestamp = timestamp_pb2.Timestamp()
    timestamp.FromDatetime(time)
    return timestamp
