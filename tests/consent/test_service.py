"""The consent service over real gRPC and mutual TLS."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from salus.consent.v1 import consent_pb2

from chaincode.core.provision import Actor, Provision, Type
from services.common.errors import explain
from services.consent.client import ATTEMPTS, ConflictError, ConsentClient, ConsentError, ConsentUnavailableError
from services.ledger import proposal as proposals
from tests.consent.conftest import ANN, BEN, HOSPITAL, ConsentSite

TREAT = [Provision(Type.PERMIT, Actor(HOSPITAL), purposes=frozenset({"TREAT"}))]
CLINICIAN = Actor(HOSPITAL, "clinician", "dr-adams")


async def permitted(client: ConsentClient, patient: str = ANN, actor: Actor = CLINICIAN) -> bool:
    verdict = await client.evaluate(patient, actor, "cytology", "TREAT", "breast-cancer")
    return verdict.permitted


async def test_a_granted_consent_permits_until_it_is_revoked(site: ConsentSite) -> None:
    ann = site.client(ANN)
    assert not await permitted(ann)
    granted = await ann.grant(TREAT)
    assert await permitted(ann)
    await ann.revoke(granted.consent_id)
    assert not await permitted(ann)


async def test_a_patient_sees_every_consent_with_its_rules_and_times(site: ConsentSite) -> None:
    ann = site.client(ANN)
    end = datetime.now(UTC).replace(microsecond=0) + timedelta(days=30)
    first = await ann.grant([Provision(Type.PERMIT, Actor(HOSPITAL), end=end)])
    await ann.grant(TREAT)
    await ann.revoke(first.consent_id)
    consents = await ann.list()
    assert [each.status for each in consents] == [
        consent_pb2.CONSENT_STATUS_REVOKED,
        consent_pb2.CONSENT_STATUS_ACTIVE,
    ]
    assert consents[0].provisions[0].period.end.ToDatetime(tzinfo=UTC) == end
    assert consents[0].granted.seconds
    assert consents[0].revoked.seconds
    assert len(consents[0].commitment) == 64


async def test_a_refusal_is_explained(site: ConsentSite) -> None:
    ann = site.client(ANN)
    verdict = await ann.evaluate(ANN, CLINICIAN, "cytology", "TREAT", "breast-cancer")
    assert verdict.basis == consent_pb2.BASIS_NO_CONSENT
    assert "no consent in force" in verdict.reason


async def test_a_clinician_asks_as_who_the_certificate_says(site: ConsentSite) -> None:
    await site.client(ANN).grant([Provision(Type.PERMIT, Actor(HOSPITAL, "clinician", "dr-adams"))])
    assert await permitted(site.client("dr-adams", "clinician"), actor=Actor())
    assert not await permitted(site.client("dr-other", "clinician"), actor=Actor())


async def test_a_clinician_cannot_ask_as_somebody_else(site: ConsentSite) -> None:
    with pytest.raises(ConsentError) as caught:
        await permitted(site.client("dr-other", "clinician"), actor=CLINICIAN)
    assert caught.value.reason == "INVALID_REQUEST"
    assert caught.value.details.violations[0][0] == "actor"


async def test_an_inference_service_asks_for_its_own_organisation(site: ConsentSite) -> None:
    with pytest.raises(ConsentError) as caught:
        await permitted(site.client("inference", "inference", "HospitalBMSP"))
    assert caught.value.reason == "WRONG_ORGANISATION"


async def test_a_patient_sees_nothing_of_another_patient(site: ConsentSite) -> None:
    stub = site.stub(BEN)
    actor = consent_pb2.Actor(organisation=HOSPITAL, role="clinician")
    question = consent_pb2.EvaluateRequest(patient=ANN, actor=actor, data_class="c", purpose="TREAT", model="m")
    for call in (
        stub.List(consent_pb2.ListRequest(patient=ANN)),
        stub.ListUses(consent_pb2.ListUsesRequest(patient=ANN)),
        stub.Evaluate(question),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED
        assert explain(caught.value).reason == "NOT_YOURS"
        assert ANN not in (caught.value.details() or "")


async def test_a_clinician_cannot_list_consents(site: ConsentSite) -> None:
    with pytest.raises(ConsentError) as caught:
        await site.client("dr-adams", "clinician").list()
    assert caught.value.reason == "WRONG_ROLE"


async def test_a_patient_of_another_organisation_is_sent_to_their_own_service(site: ConsentSite) -> None:
    with pytest.raises(ConsentError) as caught:
        await site.client(ANN, msp_id="HospitalBMSP").list()
    assert caught.value.reason == "WRONG_ORGANISATION"


async def test_faulty_rules_are_named(site: ConsentSite) -> None:
    stub = site.stub(ANN)
    rule = consent_pb2.Provision(type=consent_pb2.PROVISION_TYPE_PERMIT, purposes=["NONSENSE"])
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Grant(consent_pb2.GrantRequest(provisions=[rule]))
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "provisions[0].purposes" in explain(caught.value).violations[0][1]


async def test_revoking_what_is_not_there_says_so(site: ConsentSite) -> None:
    ann = site.client(ANN)
    with pytest.raises(ConsentError) as caught:
        await ann.revoke("6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
    assert (caught.value.reason, caught.value.details.code) == ("NOT_FOUND", grpc.StatusCode.NOT_FOUND)


async def test_revoking_twice_says_so(site: ConsentSite) -> None:
    ann = site.client(ANN)
    granted = await ann.grant(TREAT)
    await ann.revoke(granted.consent_id)
    with pytest.raises(ConsentError) as caught:
        await ann.revoke(granted.consent_id)
    assert caught.value.reason == "ALREADY_REVOKED"


async def test_a_lost_race_is_told_by_fabrics_code_and_drafted_again(site: ConsentSite) -> None:
    ann = site.client(ANN)
    loser = await ann.endorse(await ann.draft_grant(TREAT))
    await ann.grant(TREAT)
    with pytest.raises(ConflictError) as caught:
        await ann.submit(loser)
    assert caught.value.reason == "MVCC_READ_CONFLICT"
    assert caught.value.details.code == grpc.StatusCode.ABORTED


async def test_the_client_drafts_again_a_bounded_number_of_times(site: ConsentSite) -> None:
    ann, ledger = site.client(ANN), site.gateway.ledger
    await ann.grant(TREAT)
    key, races = (("consent", "consents"), f"patient/{ANN}"), 2

    def interfere() -> None:
        nonlocal races
        if races:
            races -= 1
            ledger.height += 1
            ledger.state[key] = ledger.state[key][0], (ledger.height, 0)

    site.gateway.before_commit = interfere
    await ann.grant(TREAT)
    assert len(await ann.list()) == 2
    races = 100
    with pytest.raises(ConflictError):
        await ann.grant(TREAT)
    assert races == 100 - ATTEMPTS


async def test_submitting_the_same_transaction_twice_gives_the_same_answer(site: ConsentSite) -> None:
    ann = site.client(ANN)
    endorsed = await ann.endorse(await ann.draft_grant(TREAT))
    first = await ann.submit(endorsed)
    assert (await ann.submit(endorsed)).transaction_id == first.transaction_id
    assert len(await ann.list()) == 1


async def test_an_unreachable_ledger_is_unavailable(site: ConsentSite) -> None:
    ann = site.client(ANN)
    site.gateway.reachable = False
    for call in (ann.list(), ann.grant(TREAT), permitted(ann)):
        with pytest.raises(ConsentUnavailableError) as caught:
            await call
        assert caught.value.reason == "LEDGER_UNAVAILABLE"
        assert caught.value.details.retry_after


async def test_nothing_but_consents_passes_through(site: ConsentSite) -> None:
    stub = site.stub(ANN)
    signer = site.organisations.signer(HOSPITAL, ANN)
    for channel, contract, function in (
        ("salus", "models", "Retire"),
        ("salus", "consent", "RecordUse"),
        ("other", "consent", "Grant"),
    ):
        proposal = proposals.draft_proposal(
            channel, signer.serialized, contract, function, ["x"], {}, bytes(24), datetime.now(UTC)
        ).payload
        request = consent_pb2.EndorseRequest(proposal=proposal, signature=signer.sign(proposal))
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Endorse(request)
        assert explain(caught.value).reason == "NOT_A_CONSENT"


async def test_another_patients_draft_does_not_pass(site: ConsentSite) -> None:
    draft = await site.client(ANN).draft_grant(TREAT)
    stub = site.stub(BEN)
    signature = site.organisations.signer(HOSPITAL, BEN).sign(draft.proposal)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Endorse(consent_pb2.EndorseRequest(proposal=draft.proposal, signature=signature))
    assert explain(caught.value).reason == "WRONG_CREATOR"


@pytest.mark.parametrize("data", [b"", b"\xff\xff", b"\x0a\x00"])
async def test_bytes_that_are_no_transaction_are_refused(site: ConsentSite, data: bytes) -> None:
    stub = site.stub(ANN)
    for call in (
        stub.Endorse(consent_pb2.EndorseRequest(proposal=data, signature=b"x")),
        stub.Submit(consent_pb2.SubmitRequest(payload=data, signature=b"x")),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert (caught.value.code(), explain(caught.value).reason) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "MALFORMED",
        )


async def test_a_foreign_signature_does_not_pass(site: ConsentSite) -> None:
    ann = site.client(ANN)
    endorsed = await ann.endorse(await ann.draft_grant(TREAT))
    stub = site.stub("dr-adams", "clinician")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Submit(consent_pb2.SubmitRequest(payload=endorsed.payload, signature=b"x"))
    assert caught.value.code() == grpc.StatusCode.PERMISSION_DENIED


async def test_no_pseudonym_is_logged(site: ConsentSite, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    ann = site.client(ANN)
    granted = await ann.grant(TREAT)
    await ann.list()
    await ann.uses()
    await ann.revoke(granted.consent_id)
    logged = " ".join(f"{each.getMessage()} {getattr(each, 'salus_fields', '')}" for each in caplog.records)
    assert "/salus.consent.v1.ConsentService/Grant" in logged
    assert ANN not in logged
