"""Who gets through, over gRPC and mutual TLS."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from salus.identity.v1 import identity_pb2 as pb

from services.common.errors import explain
from services.common.tls import connect
from tests.organisations import Organisation, Organisations

from .service import NAME, Probe, client, running, stub

REFUSED = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNAVAILABLE)


async def _refusal(channel: grpc.aio.Channel, method: str = "GetCrl", request: object = None) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await getattr(stub(channel), method)(request or pb.GetCrlRequest(), timeout=5)
    details = explain(caught.value)
    return details.code.name, details.reason


async def test_a_member_with_the_role_gets_through_and_is_known_as_the_caller(organisations: Organisations) -> None:
    async with (
        running(organisations, Probe()) as address,
        client(address, organisations, "HospitalAMSP", "dr-adams", "clinician") as channel,
    ):
        assert (await stub(channel).GetCrl(pb.GetCrlRequest())).crl == b"HospitalAMSP/clinician"


async def test_a_wrong_role_is_denied(organisations: Organisations) -> None:
    async with (
        running(organisations, Probe()) as address,
        client(address, organisations, "HospitalAMSP", "inspector", "inspector") as channel,
    ):
        assert await _refusal(channel) == ("PERMISSION_DENIED", "WRONG_ROLE")


async def test_another_organisation_is_denied_where_the_table_says_so(organisations: Organisations) -> None:
    async with (
        running(organisations, Probe()) as address,
        client(address, organisations, "HospitalBMSP", "dr-baker", "clinician") as channel,
    ):
        assert await _refusal(channel) == ("PERMISSION_DENIED", "WRONG_ORGANISATION")


async def test_a_method_outside_the_table_is_denied_to_everybody(organisations: Organisations) -> None:
    async with (
        running(organisations, Probe()) as address,
        client(address, organisations, "HospitalAMSP", "admin", "admin") as channel,
    ):
        assert await _refusal(channel, "Revoke", pb.RevokeRequest()) == ("PERMISSION_DENIED", "NOT_LISTED")


async def test_a_revoked_certificate_is_unauthenticated(organisations: Organisations) -> None:
    folder = organisations.enrol("HospitalAMSP", "dr-adams", role="clinician")
    organisations.revoke("HospitalAMSP", folder)
    async with (
        running(organisations, Probe()) as address,
        connect(address, folder, organisations.tls_roots) as channel,
    ):
        assert await _refusal(channel) == ("UNAUTHENTICATED", "REVOKED_CERTIFICATE")


async def test_an_expired_certificate_does_not_get_through(organisations: Organisations) -> None:
    past = datetime.now(UTC) - timedelta(days=400)
    folder = organisations.enrol("HospitalAMSP", "dr-adams", role="clinician", now=past)
    async with (
        running(organisations, Probe()) as address,
        connect(address, folder, organisations.tls_roots) as channel,
    ):
        assert grpc.StatusCode[(await _refusal(channel))[0]] in REFUSED


async def test_no_certificate_and_a_foreign_one_do_not_get_through(
    organisations: Organisations, tmp_path: Path
) -> None:
    foreign = Organisations(tmp_path / "foreign", {"HospitalAMSP": Organisation.create("HospitalAMSP")})
    stranger = foreign.enrol("HospitalAMSP", "dr-adams", role="clinician")
    async with running(organisations, Probe()) as address:
        for folder in (None, stranger):
            async with connect(address, folder, organisations.tls_roots) as channel:
                assert grpc.StatusCode[(await _refusal(channel))[0]] in REFUSED


async def test_a_client_refuses_a_server_of_unknown_roots(organisations: Organisations, tmp_path: Path) -> None:
    foreign = Organisations(tmp_path / "foreign", {"HospitalAMSP": Organisation.create("HospitalAMSP")})
    folder = organisations.enrol("HospitalAMSP", "dr-adams", role="clinician")
    async with (
        running(organisations, Probe()) as address,
        connect(address, folder, foreign.tls_roots) as channel,
    ):
        assert (await _refusal(channel))[0] == "UNAVAILABLE"


async def test_health_is_told_to_anyone_enrolled(organisations: Organisations) -> None:
    async with (
        running(organisations, Probe()) as address,
        client(address, organisations, "RegulatorMSP", "inspector", "inspector") as channel,
    ):
        answer = await health_pb2_grpc.HealthStub(channel).Check(  # type: ignore[attr-defined]
            health_pb2.HealthCheckRequest()
        )
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_reflection_lists_the_services_to_anyone_enrolled(organisations: Organisations) -> None:
    async with (
        running(organisations, Probe()) as address,
        client(address, organisations, "HospitalBMSP", "dr-baker") as channel,
    ):
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        stub_of = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        stream = stub_of.ServerReflectionInfo(iter([request]))  # type: ignore[operator]
        answers = [answer async for answer in stream]
    assert NAME in [each.name for each in answers[0].list_services_response.service]


async def test_refusals_are_logged_without_the_person(
    organisations: Organisations, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "services.common.server")
    async with (
        running(organisations, Probe()) as address,
        client(address, organisations, "HospitalAMSP", "dr-adams", "inspector") as channel,
    ):
        await _refusal(channel)
    calls = [vars(record)["salus_fields"] for record in caplog.records if record.getMessage() == "call"]
    assert [(call["code"], call["reason"]) for call in calls] == [("PERMISSION_DENIED", "WRONG_ROLE")]
    assert "dr-adams" not in json.dumps(calls)
