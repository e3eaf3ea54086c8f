"""The service over gRPC and mutual TLS, before a real ledger."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

import grpc
import grpc.aio
import pytest
from salus.inference.v1 import inference_pb2 as pb

from chaincode.core import record
from services.common.errors import ErrorDetails, explain
from services.inference.admission import Admission
from services.inference.question import MAX_BATCH
from tests.chaincode.callers import HOSPITAL_B
from tests.inference.site import ANN, BEN, Site, request

Code = grpc.StatusCode


async def failure(call: Awaitable[Any]) -> ErrorDetails:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return explain(caught.value)


async def uses(patient: Any) -> list[dict[str, Any]]:
    listed = await patient.evaluate("consent", "ListUses", ANN, "100")
    found: list[dict[str, Any]] = json.loads(listed)["uses"]
    return found


async def test_a_consented_question_is_answered_with_its_committed_record(site: Site) -> None:
    patient = await site.grant()
    await site.serve()
    decision = (await site.stub().Diagnose(request())).decision
    kept = record.parse(decision.record)
    assert kept.answer is not None
    assert (kept.id, kept.answer.probability) == (decision.decision_id, decision.probability)
    assert (kept.requester.person, kept.requester.role) == ("dr-adams", "clinician")
    assert [use["transaction_id"] for use in await uses(patient)] == [decision.transaction_id]
    public = json.loads(await patient.evaluate("decisions", "Get", decision.decision_id))
    assert public["record_hash"] == record.commitment(decision.salt, decision.record)


async def test_the_explanation_leads_with_the_largest_contribution(site: Site) -> None:
    await site.grant()
    await site.serve()
    decision = (await site.stub().Diagnose(request())).decision
    sizes = [abs(each.contribution) for each in decision.explanation]
    assert len(sizes) == 30
    assert sizes == sorted(sizes, reverse=True)


async def test_each_stage_is_timed(site: Site) -> None:
    await site.grant()
    await site.serve()
    timing = (await site.stub().Diagnose(request())).decision.timing
    assert min(timing.consent, timing.inference, timing.endorse, timing.commit) > 0


async def test_a_refusal_is_denied_with_the_decision_that_recorded_it(site: Site) -> None:
    await site.serve()
    denied = await failure(site.stub().Diagnose(request()))
    assert (denied.code, denied.reason) == (Code.PERMISSION_DENIED, "NO_CONSENT")
    public = json.loads(
        await site.client("dr-b", "clinician").evaluate("decisions", "Get", denied.metadata["decision_id"])
    )
    assert (public["outcome"], public["transaction_id"]) == ("refused", denied.metadata["transaction_id"])


async def test_a_batch_is_one_transaction_with_refusals_among_its_results(site: Site) -> None:
    await site.grant()
    await site.serve()
    asked = pb.DiagnoseBatchRequest(requests=[request("r1", ANN, 0), request("r2", BEN, 1)])
    first, second = (await site.stub().DiagnoseBatch(asked)).results
    assert (first.request_id, second.request_id) == ("r1", "r2")
    assert second.refusal.reason == "NO_CONSENT"
    assert first.decision.transaction_id == second.refusal.transaction_id


async def test_a_retry_returns_what_was_recorded(site: Site) -> None:
    patient = await site.grant()
    await site.serve()
    stub = site.stub()
    first, second = (await stub.Diagnose(request())).decision, (await stub.Diagnose(request())).decision
    first.ClearField("timing")
    second.ClearField("timing")
    assert first == second
    assert len(await uses(patient)) == 1


async def test_concurrent_calls_with_one_request_id_get_one_record(site: Site) -> None:
    patient = await site.grant()
    await site.serve()
    stub = site.stub()
    answers = await asyncio.gather(*(stub.Diagnose(request()) for _ in range(4)))
    assert len({(each.decision.record, each.decision.transaction_id) for each in answers}) == 1
    assert len(await uses(patient)) == 1


async def test_a_request_id_used_for_another_question_already_exists(site: Site) -> None:
    await site.grant()
    await site.serve()
    stub = site.stub()
    await stub.Diagnose(request(row=0))
    refused = await failure(stub.Diagnose(request(row=1)))
    assert (refused.code, refused.reason) == (Code.ALREADY_EXISTS, "REQUEST_ID_USED")


async def test_a_recorded_decision_is_found_by_its_id(site: Site) -> None:
    await site.grant()
    await site.serve()
    stub = site.stub()
    made = (await stub.Diagnose(request())).decision
    found = (await stub.GetDecision(pb.GetDecisionRequest(decision_id=made.decision_id))).result
    assert (found.request_id, found.decision.record) == ("r1", made.record)


async def test_a_decision_that_nobody_recorded_is_not_found(site: Site) -> None:
    await site.serve()
    missing = await failure(site.stub().GetDecision(pb.GetDecisionRequest(decision_id="0" * 32)))
    assert (missing.code, missing.reason) == (Code.NOT_FOUND, "NOT_FOUND")


async def test_faulty_fields_are_named_with_what_they_take(site: Site) -> None:
    await site.serve()
    asked = request(purpose="treat")
    asked.measurements[0].values[0] = 1e9
    invalid = await failure(site.stub().Diagnose(asked))
    assert (invalid.code, invalid.reason) == (Code.INVALID_ARGUMENT, "INVALID_REQUEST")
    assert [field for field, _ in invalid.violations] == ["purpose"]
    asked.purpose = "TREAT"
    batch = pb.DiagnoseBatchRequest(requests=[asked])
    invalid = await failure(site.stub().DiagnoseBatch(batch))
    assert [field for field, _ in invalid.violations] == ["requests[0].measurements[mean_radius]"]
    invalid = await failure(site.stub().Diagnose(asked))
    assert invalid.violations == (("measurements[mean_radius]", "is out of range; it takes a number from 1 to 100"),)


async def test_a_suspended_model_is_not_served(site: Site) -> None:
    await site.serve()
    await site.client("owner-b", "owner").submit("models", "Suspend", "breast-cancer", "1.0.0", "drift")
    refused = await failure(site.stub().Diagnose(request()))
    assert (refused.code, refused.reason) == (Code.FAILED_PRECONDITION, "MODEL_NOT_DEPLOYED")


async def test_models_are_listed_and_described(site: Site) -> None:
    await site.serve()
    stub = site.stub("inspector", "inspector", "RegulatorMSP")
    (listed,) = (await stub.ListModels(pb.ListModelsRequest())).models
    assert (listed.id, listed.status, listed.ready) == ("breast-cancer", pb.MODEL_STATUS_DEPLOYED, True)
    described = await stub.DescribeModel(pb.DescribeModelRequest(id="breast-cancer"))
    assert described.model == listed
    assert [each.name for each in described.inputs][:2] == ["mean_radius", "mean_texture"]
    unknown = await failure(stub.DescribeModel(pb.DescribeModelRequest(id="other")))
    assert (unknown.code, unknown.reason) == (Code.NOT_FOUND, "UNKNOWN_MODEL")


async def test_an_unreachable_ledger_hands_nothing_out(site: Site) -> None:
    await site.serve()
    stub = site.stub()
    assert site.node is not None
    await site.node.stop(0)
    failed = await failure(stub.Diagnose(request()))
    assert (failed.code, failed.reason) == (Code.UNAVAILABLE, "LEDGER_UNAVAILABLE")
    assert failed.retry_after is not None


async def test_a_full_service_says_when_to_come_back(site: Site) -> None:
    site.admission = Admission(waiting=1, working=1)
    await site.serve()
    asked = pb.DiagnoseBatchRequest(requests=[request("r1"), request("r2")])
    refused = await failure(site.stub().DiagnoseBatch(asked))
    assert (refused.code, refused.reason) == (Code.RESOURCE_EXHAUSTED, "TOO_MANY_REQUESTS")
    assert refused.retry_after is not None


async def test_a_batch_that_is_too_large_is_not_told_to_come_back(site: Site) -> None:
    site.admission = Admission(waiting=MAX_BATCH, working=1)
    await site.serve()
    asked = pb.DiagnoseBatchRequest(requests=[pb.DiagnoseRequest()] * (MAX_BATCH + 1))
    refused = await failure(site.stub().DiagnoseBatch(asked))
    assert (refused.code, refused.violations) == (
        Code.INVALID_ARGUMENT,
        (("requests", f"takes 1 to {MAX_BATCH} requests"),),
    )


@pytest.mark.parametrize(
    ("name", "role", "msp_id", "reason"),
    [
        ("dr-baker", "clinician", HOSPITAL_B, "WRONG_ORGANISATION"),
        (ANN, "patient", "HospitalAMSP", "WRONG_ROLE"),
        ("inspector", "inspector", "RegulatorMSP", "WRONG_ROLE"),
    ],
)
async def test_only_clinicians_of_the_hospital_ask(site: Site, name: str, role: str, msp_id: str, reason: str) -> None:
    await site.serve()
    denied = await failure(site.stub(name, role, msp_id).Diagnose(request()))
    assert (denied.code, denied.reason) == (Code.PERMISSION_DENIED, reason)
