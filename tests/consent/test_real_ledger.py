"""The consent service before a real ledger: three organisations, their endorsers, blocks and state."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from salus.consent.v1 import consent_pb2, consent_pb2_grpc
from salus.inference.v1 import inference_pb2

from chaincode.core.provision import Actor, Provision, Type
from services.cli.topology import HOSPITAL_A
from services.common import tls
from services.common.server import Authentication, Listener, utc_now
from services.consent.access import ACCESS
from services.consent.client import ConflictError, ConsentClient, ConsentUnavailableError
from services.consent.servicer import ConsentServicer
from tests.inference.site import ANN, BEN, Site, request, site_of
from tests.organisations import Organisations

TREAT = [Provision(Type.PERMIT, Actor(HOSPITAL_A), purposes=frozenset({"TREAT"}))]


@dataclass
class Clinic:
    """A ledger with a deployed model, the inference service, and the consent service at `address`."""

    site: Site
    address: str

    def patient(self, pseudonym: str) -> ConsentClient:
        folder = self.site.organisations.enrol(HOSPITAL_A, pseudonym, role="patient")
        channel = tls.connect(self.address, folder, self.site.organisations.tls_roots)
        self.site.stack.push_async_exit(channel)
        return ConsentClient(channel, self.site.organisations.signer(HOSPITAL_A, pseudonym))


@pytest.fixture
async def clinic(organisations: Organisations) -> AsyncIterator[Clinic]:
    async with site_of(organisations) as site:
        servicer = ConsentServicer(site.client("consent", "consent"), utc_now, os.urandom)
        name = consent_pb2.DESCRIPTOR.services_by_name["ConsentService"].full_name
        service = Listener(
            "127.0.0.1:0",
            tls.mutual(organisations.tls(HOSPITAL_A, "consent"), site.membership),
            [(consent_pb2_grpc.add_ConsentServiceServicer_to_server, servicer, name)],
            Authentication(site.membership, ACCESS, HOSPITAL_A),
        )
        address = await service.start("salus.consent")
        site.stack.push_async_callback(service.stop, 0)
        await site.serve()
        yield Clinic(site, address)


async def test_a_grant_and_a_revocation_are_committed(clinic: Clinic) -> None:
    ann = clinic.patient(ANN)
    granted = await ann.grant(TREAT)
    revoked = await ann.revoke(granted.consent_id)
    assert revoked.block_number > granted.block_number
    assert [each.status for each in await ann.list()] == [consent_pb2.CONSENT_STATUS_REVOKED]


async def test_grants_of_one_patient_at_the_same_time_all_come_through(clinic: Clinic) -> None:
    ann = clinic.patient(ANN)
    await asyncio.gather(*(ann.grant(TREAT) for _ in range(3)))
    assert len(await ann.list()) == 3


async def test_of_two_transactions_on_the_same_state_one_is_invalid(clinic: Clinic) -> None:
    ann = clinic.patient(ANN)
    first, second = [await ann.endorse(await ann.draft_grant(TREAT)) for _ in range(2)]
    await ann.submit(first)
    with pytest.raises(ConflictError) as caught:
        await ann.submit(second)
    assert caught.value.reason == "MVCC_READ_CONFLICT"


async def test_a_patient_sees_each_use_and_each_refusal(clinic: Clinic) -> None:
    ann, ben, doctor = clinic.patient(ANN), clinic.patient(BEN), clinic.site.stub()
    await ann.grant(TREAT)
    emergency = {"purpose": "ETREAT", "emergency_reason": "unconscious"}
    asked = [request("r1"), request("r2", BEN, row=1), request("r3", row=2, **emergency)]
    for each in asked:
        await doctor.DiagnoseBatch(batch(each))
    uses = (await ann.uses(page_size=1)).uses
    rest = await ann.uses(page_size=1, page_token=(await ann.uses(page_size=1)).next_page_token)
    assert [each.purpose for each in (*uses, *rest.uses)] == ["ETREAT", "TREAT"]
    assert not rest.next_page_token
    assert uses[0].emergency_reason == "unconscious"
    assert uses[0].requester.person == "dr-adams"
    (refused,) = (await ben.uses()).uses
    assert (refused.answered, refused.basis) == (False, consent_pb2.BASIS_NO_CONSENT)


async def test_a_ledger_that_is_down_is_unavailable_and_nothing_is_granted(clinic: Clinic) -> None:
    ann = clinic.patient(ANN)
    assert clinic.site.node is not None
    await clinic.site.node.stop(0)
    with pytest.raises(ConsentUnavailableError) as caught:
        await ann.grant(TREAT)
    assert caught.value.reason == "LEDGER_UNAVAILABLE"


def batch(question: inference_pb2.DiagnoseRequest) -> inference_pb2.DiagnoseBatchRequest:

    return inference_pb2.DiagnoseBatchRequest(requests=[question])
