"""The service over gRPC and mutual TLS, before a real ledger with the real contracts and model."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from salus.audit.v1 import audit_pb2 as pb

from chaincode.core import record
from services.audit import checkpoint
from services.audit.verify import load_roots, verify
from services.common.errors import ErrorDetails, explain
from tests.audit.service import Audit, audit_of
from tests.chaincode.callers import HOSPITAL_A, HOSPITAL_B, REGULATOR
from tests.inference.site import ANN, BEN, Site, request, site_of
from tests.organisations import Organisations

Code = grpc.StatusCode
ID = {name: record.decision_id(HOSPITAL_A, name) for name in ("r1", "r2", "r3", "r4", "r5")}


History = tuple[Site, int]


@pytest.fixture
async def history(organisations: Organisations) -> AsyncIterator[History]:
    """A network and the block of its last decision.

    Ann has consented and was diagnosed in r1 and r2; Ben was refused in r3, and diagnosed in an emergency in r4.
    """
    async with site_of(organisations) as started:
        await started.grant()
        await started.serve()
        inference = started.stub()
        await inference.Diagnose(request("r1"))
        await inference.Diagnose(request("r2", row=1))
        with pytest.raises(grpc.aio.AioRpcError):
            await inference.Diagnose(request("r3", BEN, 2))
        last = await inference.Diagnose(request("r4", BEN, 3, purpose="ETREAT", emergency_reason="unconscious"))
        yield started, last.decision.block_number


@pytest.fixture
async def audit(history: History) -> AsyncIterator[Audit]:
    site, last_block = history
    async with audit_of(site) as running:
        await running.store.reached(last_block)
        yield running


async def search(stub: Any, **wanted: Any) -> list[str]:
    wanted_filter = pb.Filter(**wanted)
    response = await stub.SearchDecisions(pb.SearchDecisionsRequest(filter=wanted_filter))
    assert response.next_page_token == ""
    return [each.decision_id for each in response.decisions]


async def export(stub: Any, wanted: pb.Filter | None = None) -> bytes:
    return b"".join([part.data async for part in stub.Export(pb.ExportRequest(filter=wanted))])


async def failure(call: Awaitable[Any]) -> ErrorDetails:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return explain(caught.value)


def at(time: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(time)
    return stamp


def period(start: Timestamp, end: Timestamp | None = None) -> pb.Filter:
    # `from` is a keyword.
    fields: dict[str, Any] = {"from": start, "to": end}
    return pb.Filter(**fields)


async def test_decisions_are_found_newest_first_and_by_each_field(audit: Audit) -> None:
    stub = audit.stub()
    everything = [ID["r4"], ID["r3"], ID["r2"], ID["r1"]]
    assert await search(stub) == everything
    assert await search(stub, model_id="breast-cancer") == everything
    assert await search(stub, model_id="breast") == []
    assert await search(stub, organisation=HOSPITAL_A) == everything
    assert await search(stub, organisation=HOSPITAL_B) == []
    assert await search(stub, patient=ANN) == [ID["r2"], ID["r1"]]
    assert await search(stub, patient=BEN, outcome=pb.OUTCOME_REFUSED) == [ID["r3"]]
    assert await search(stub, patient="c" * 32) == []
    assert await search(stub, outcome=pb.OUTCOME_ANSWERED) == [ID["r4"], ID["r2"], ID["r1"]]


async def test_decisions_are_found_by_period(audit: Audit) -> None:
    stub = audit.stub()
    response = await stub.SearchDecisions(pb.SearchDecisionsRequest())
    times = [each.time for each in response.decisions]
    assert await search(stub, **{"from": times[1], "to": times[0]}) == [ID["r3"]]
    assert await search(stub, **{"from": times[0]}) == [ID["r4"]]
    assert await search(stub, to=times[2], patient=ANN) == [ID["r1"]]
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    assert await search(stub, **{"from": at(tomorrow)}) == []


async def test_a_summary_tells_what_was_decided(audit: Audit) -> None:
    newest, refused, _, oldest = (await audit.stub().SearchDecisions(pb.SearchDecisionsRequest())).decisions
    assert (newest.emergency, newest.purpose, newest.outcome) == (True, "ETREAT", pb.OUTCOME_ANSWERED)
    assert (refused.emergency, refused.outcome) == (False, pb.OUTCOME_REFUSED)
    assert (oldest.organisation, oldest.model_id, oldest.emergency) == (HOSPITAL_A, "breast-cancer", False)
    assert len(oldest.transaction_id) == 64
    assert oldest.model_version


async def test_pages_follow_each_other_without_gap_or_repeat(audit: Audit) -> None:
    stub, found, token = audit.stub(), [], ""
    for size in (1, 2, 1):
        page = await stub.SearchDecisions(pb.SearchDecisionsRequest(page_size=size, page_token=token))
        found += [each.decision_id for each in page.decisions]
        token = page.next_page_token
    assert found == [ID["r4"], ID["r3"], ID["r2"], ID["r1"]]
    assert token == ""


async def test_a_search_that_cannot_be_made_names_the_field(audit: Audit) -> None:
    stub = audit.stub()
    first = await stub.SearchDecisions(pb.SearchDecisionsRequest(page_size=1))
    now = datetime.now(UTC)
    bad = {
        "page_size": pb.SearchDecisionsRequest(page_size=1001),
        "page_token": pb.SearchDecisionsRequest(page_token="x"),
        "filter.outcome": pb.SearchDecisionsRequest(filter=pb.Filter(outcome=7)),  # type: ignore[arg-type]
        "filter.to": pb.SearchDecisionsRequest(filter=period(at(now), at(now - timedelta(1)))),
        "filter.from": pb.SearchDecisionsRequest(filter=period(Timestamp(seconds=1 << 60))),
    }
    for field, message in bad.items():
        failed = await failure(stub.SearchDecisions(message))
        assert (failed.code, [name for name, _ in failed.violations]) == (Code.INVALID_ARGUMENT, [field])
    other = pb.SearchDecisionsRequest(filter=pb.Filter(patient=ANN), page_token=first.next_page_token)
    assert (await failure(stub.SearchDecisions(other))).reason == "BAD_PAGE"


async def test_an_export_verifies_offline_and_the_model_gives_the_answers_again(audit: Audit) -> None:
    data = await export(audit.stub())
    report = verify(data, load_roots(audit.site.organisations.msp_root), models=audit.site.layout.models(REGULATOR))
    assert [str(each) for each in report.findings] == []
    assert (report.decisions, report.verified, report.answered, report.reexecuted) == (4, 4, 3, 3)
    assert report.checkpoint is not None
    assert report.checkpoint.size == audit.store.position().tree.size


async def test_an_answer_is_not_given_again_without_the_models_file(audit: Audit) -> None:
    data = await export(audit.stub())
    report = verify(data, load_roots(audit.site.organisations.msp_root), models=audit.site.layout.root)
    (note,) = report.notes
    assert note.startswith("3 of the answers could not be executed again: no file ")
    assert (report.ok, report.reexecuted) == (True, 0)


async def test_a_filtered_export_holds_what_it_says(audit: Audit) -> None:
    data = await export(audit.stub(), pb.Filter(patient=BEN))
    report = verify(data, load_roots(audit.site.organisations.msp_root))
    assert report.ok
    assert (report.decisions, report.answered) == (2, 1)


async def test_progress_is_told(audit: Audit) -> None:
    parts = [(part.done, part.total) async for part in audit.stub().Export(pb.ExportRequest())]
    assert parts == [(0, 4), (4, 4), (4, 4)]


async def test_anyone_enrolled_gets_a_checkpoint_that_the_auditor_signed(audit: Audit) -> None:
    stub = audit.stub("dr-adams", "clinician", HOSPITAL_A)
    note = (await stub.GetCheckpoint(pb.GetCheckpointRequest())).checkpoint.decode()
    auditor = audit.site.membership.identify(
        REGULATOR, audit.site.organisations.signer(REGULATOR, "audit").certificate_pem, datetime.now(UTC)
    )
    log = checkpoint.verify(note, auditor.certificate.public_key)
    position = audit.store.position()
    assert (log.origin, log.size, log.root) == ("salus/salus/RegulatorMSP", position.tree.size, position.tree.root())


@pytest.mark.parametrize(
    ("name", "role", "msp_id", "reason"),
    [
        ("dr-adams", "clinician", HOSPITAL_A, "WRONG_ROLE"),
        ("inspector-a", "inspector", HOSPITAL_A, "WRONG_ORGANISATION"),
        ("registrar-r", "registrar", REGULATOR, "WRONG_ROLE"),
        (ANN, "patient", HOSPITAL_A, "WRONG_ROLE"),
    ],
)
async def test_nobody_else_searches_or_exports(audit: Audit, name: str, role: str, msp_id: str, reason: str) -> None:
    stub = audit.stub(name, role, msp_id)
    searched = await failure(stub.SearchDecisions(pb.SearchDecisionsRequest()))
    assert (searched.code, searched.reason) == (Code.PERMISSION_DENIED, reason)
    assert (await failure(export(stub))).code is Code.PERMISSION_DENIED


async def test_a_revoked_inspector_is_refused(audit: Audit) -> None:
    organisations = audit.site.organisations
    folder = organisations.enrol(REGULATOR, "inspector", role="inspector")
    organisations.revoke(REGULATOR, folder)
    audit.site.membership._looked = -10.0
    failed = await failure(audit.stub_of(folder).SearchDecisions(pb.SearchDecisionsRequest()))
    assert failed.code is Code.UNAUTHENTICATED


async def test_nobody_without_a_certificate_is_let_in(audit: Audit) -> None:
    failed = await failure(audit.stub_of(None).GetCheckpoint(pb.GetCheckpointRequest()))
    assert failed.code is Code.UNAVAILABLE


async def test_a_restart_follows_on_and_repeats_nothing(history: History) -> None:
    site, last_block = history
    async with audit_of(site) as running:
        await running.store.reached(last_block)
        before = running.store.position()
    await site.stub().Diagnose(request("r5", row=4))
    async with audit_of(site) as running:
        assert running.store.position().tree.size >= before.tree.size
        await running.store.reached(before.height)
        stub = running.stub()
        assert await search(stub) == [ID[name] for name in ("r5", "r4", "r3", "r2", "r1")]
        report = verify(await export(stub), load_roots(site.organisations.msp_root))
        assert report.ok
        assert report.verified == 5


async def test_decisions_appear_while_the_service_runs(audit: Audit) -> None:
    before = audit.store.position().height
    await audit.site.stub().Diagnose(request("r5", row=4))
    await audit.store.reached(before)
    assert (await search(audit.stub()))[0] == ID["r5"]


async def test_an_export_ends_without_its_seal_when_the_ledger_is_gone(audit: Audit) -> None:
    assert audit.site.node is not None
    await audit.site.node.stop(0)
    received = bytearray()

    async def receive() -> None:
        async for part in audit.stub().Export(pb.ExportRequest()):
            received.extend(part.data)

    failed = await failure(receive())
    assert (failed.code, failed.reason) == (Code.UNAVAILABLE, "LEDGER_UNAVAILABLE")
    assert "the file ends without its seal" in {each.what for each in verify(bytes(received), {}).findings}
