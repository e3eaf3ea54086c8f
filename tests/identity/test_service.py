"""The identity service as a process, over gRPC and TLS."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import grpc
import grpc.aio
import pytest
from cryptography import x509
from salus.identity.v1 import identity_pb2 as pb
from salus.identity.v1 import identity_pb2_grpc as pb_grpc

from chaincode.core import certificate
from services.common.errors import ErrorDetails, explain
from services.common.tls import connect
from services.identity.client import TLS, EnrolmentClient, IdentityClient, join
from tests.organisations import Organisation, Organisations

from .conftest import Service, write_config


def _reason(caught: pytest.ExceptionInfo[grpc.aio.AioRpcError]) -> ErrorDetails:
    return explain(caught.value)


async def _call_for(seconds: float, client: IdentityClient) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await client.organisations()
        await asyncio.sleep(0.02)


async def test_somebody_registered_enrols_with_a_key_that_stays_here(
    service: Service, admin: IdentityClient, enrolment: EnrolmentClient
) -> None:
    folder = service.root / "dr-adams"
    await join(
        admin, enrolment, "HospitalAMSP", "dr-adams", folder, role="clinician", attributes={"department": "oncology"}
    )
    view = certificate.parse((folder / "cert.pem").read_bytes())
    assert (view.enrolment_id, view.node_ous) == ("dr-adams", ("client",))
    assert (view.attributes["role"], view.attributes["department"]) == ("clinician", "oncology")
    assert (folder / "key.pem").stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in folder.iterdir()) == ["cert.pem", "key.pem", "tls_roots.pem"]


async def test_an_interrupted_join_is_completed(
    service: Service, admin: IdentityClient, enrolment: EnrolmentClient
) -> None:
    folder, tls = service.root / "inference", service.root / "tls" / "inference"

    async def go() -> None:
        await join(admin, enrolment, "HospitalAMSP", "inference", folder, role="inference", tls_folder=tls)

    await go()
    first = (folder / "cert.pem").read_bytes()
    await go()
    assert (folder / "cert.pem").read_bytes() == first
    named = x509.load_pem_x509_certificate((tls / "cert.pem").read_bytes()).extensions
    names = named.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]


async def test_the_answer_to_a_lost_enrolment_is_given_again(
    service: Service, admin: IdentityClient, enrolment: EnrolmentClient
) -> None:
    folder = service.root / "dr-lost"
    secret = await admin.register("dr-lost", "clinician")
    await enrolment.enrol("HospitalAMSP", "dr-lost", secret, folder)
    first = (folder / "cert.pem").read_bytes()
    (folder / "cert.pem").unlink()
    await enrolment.enrol("HospitalAMSP", "dr-lost", secret, folder)
    assert (folder / "cert.pem").read_bytes() == first


async def test_a_stranger_fills_no_memory(service: Service) -> None:
    async with service.channel(None) as channel:
        stub = pb_grpc.EnrolmentServiceStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Enrol(pb.EnrolRequest(msp_id="HospitalAMSP", csr=bytes(1_000_000)))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_wrong_secret_is_refused(service: Service, enrolment: EnrolmentClient) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await enrolment.enrol("HospitalAMSP", "admin", "wrong", service.root / "nobody")
    assert (_reason(caught).code, _reason(caught).reason) == (grpc.StatusCode.UNAUTHENTICATED, "WRONG_SECRET")


async def test_a_revoked_certificate_is_refused_on_a_connection_that_stands(
    service: Service, admin: IdentityClient, enrolment: EnrolmentClient
) -> None:
    folder = service.root / "dr-revoked"
    await join(admin, enrolment, "HospitalAMSP", "dr-revoked", folder, role="clinician")
    async with service.channel(folder) as channel:
        clinician = IdentityClient(channel)
        await clinician.organisations()
        serials = await admin.revoke(enrolment_id="dr-revoked", reason=pb.REVOCATION_REASON_KEY_COMPROMISE)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _call_for(5.0, clinician)
    assert (_reason(caught).code, _reason(caught).reason) == (grpc.StatusCode.UNAUTHENTICATED, "REVOKED_CERTIFICATE")
    crl = x509.load_pem_x509_crl(await admin.crl())
    assert crl.get_revoked_certificate_by_serial_number(int(serials[0], 16)) is not None


async def test_a_role_without_the_right_is_refused(
    service: Service, admin: IdentityClient, enrolment: EnrolmentClient
) -> None:
    folder = service.root / "dr-curious"
    await join(admin, enrolment, "HospitalAMSP", "dr-curious", folder, role="clinician")
    async with service.channel(folder) as channel:
        clinician = IdentityClient(channel)
        assert len(await clinician.pseudonym("MRN-77")) == 32
        for refused in (
            clinician.register("dr-x", "clinician"),
            clinician.erase_pseudonym(patient_identifier="MRN-77"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await refused
            assert (_reason(caught).code, _reason(caught).reason) == (grpc.StatusCode.PERMISSION_DENIED, "WRONG_ROLE")


async def test_callers_without_a_certificate_or_with_a_foreign_one_do_not_get_through(
    service: Service, tmp_path: Path
) -> None:
    foreign = Organisations(tmp_path, {"HospitalAMSP": Organisation.create("HospitalAMSP")})
    stranger = foreign.enrol("HospitalAMSP", "admin", role="admin", node_ou="admin")
    for folder in (None, stranger):
        async with connect(service.address, folder, service.tls_roots) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await IdentityClient(channel).organisations()
            assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNAUTHENTICATED)


async def test_a_servers_tls_certificate_does_not_turn_into_an_identity(
    service: Service, admin: IdentityClient, enrolment: EnrolmentClient
) -> None:
    folder, tls = service.root / "audit", service.root / "tls" / "audit"
    await join(admin, enrolment, "HospitalAMSP", "audit", folder, role="audit", tls_folder=tls)
    async with service.channel(tls) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await IdentityClient(channel).reenrol("audit", service.root / "audit-stolen")
    assert (_reason(caught).code, _reason(caught).reason) == (grpc.StatusCode.PERMISSION_DENIED, "NOT_ENROLLED")


async def test_a_member_gets_a_further_certificate_for_a_new_key(
    service: Service, admin: IdentityClient, enrolment: EnrolmentClient
) -> None:
    folder, further = service.root / "dr-further", service.root / "dr-further-2"
    await join(admin, enrolment, "HospitalAMSP", "dr-further", folder, role="clinician")
    async with service.channel(folder) as channel:
        await IdentityClient(channel).reenrol("dr-further", further)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await IdentityClient(channel).reenrol("dr-further", service.root / "dr-further-tls", TLS, ["localhost"])
    assert _reason(caught).code is grpc.StatusCode.PERMISSION_DENIED
    views = [certificate.parse((each / "cert.pem").read_bytes()) for each in (folder, further)]
    assert views[0].attributes == views[1].attributes
    assert views[0].public_key != views[1].public_key


async def test_every_violation_of_a_registration_is_told(admin: IdentityClient) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await admin.register("no spaces please", "surgeon", attributes={"role": "admin"})
    details = _reason(caught)
    assert details.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [name for name, _ in details.violations] == ["enrolment_id", "role", "attributes"]


async def test_registrations_come_in_pages_without_patients(admin: IdentityClient) -> None:
    for number in range(3):
        await admin.register(f"page-{number}", "inspector")
    name = await admin.pseudonym("MRN-pages")
    await admin.register(name, "patient")
    found = [each.enrolment_id async for each in admin.registrations("inspector", page_size=2)]
    assert found == ["page-0", "page-1", "page-2"]
    assert name not in [each.enrolment_id async for each in admin.registrations()]
    assert name in [each.enrolment_id async for each in admin.registrations("patient")]


async def test_neither_logs_nor_errors_name_people(
    service: Service, admin: IdentityClient, enrolment: EnrolmentClient
) -> None:
    await admin.pseudonym("MRN-secret-person")
    await join(admin, enrolment, "HospitalAMSP", "dr-secret", service.root / "dr-secret", role="clinician")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await admin.register("dr-secret", "clinician")
    assert _reason(caught).code is grpc.StatusCode.ALREADY_EXISTS
    assert "dr-secret" not in _reason(caught).message
    log = (service.root / "log").read_text()
    assert "secret" not in log.replace("secret_", "")
    # gRPC's core writes lines of its own about failed handshakes.
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    named = {"method", "code", "ms", "caller_msp", "caller_role", "caller_certificate"}
    assert any(named <= line.keys() for line in lines)


async def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    write_config(tmp_path)
    service = Service(tmp_path)
    service.start()
    folder = tmp_path / "admin"
    async with service.channel(None) as channel:
        await EnrolmentClient(channel).enrol("HospitalAMSP", "admin", service.secret("HospitalAMSP"), folder)
    async with service.channel(folder) as channel:
        name = await IdentityClient(channel).pseudonym("MRN-1")
        secret = await IdentityClient(channel).register("dr-adams", "clinician")
    service.kill()
    service.start()
    async with service.channel(folder) as channel, service.channel(None) as other:
        assert await IdentityClient(channel).pseudonym("MRN-1") == name
        await EnrolmentClient(other).enrol("HospitalAMSP", "dr-adams", secret, tmp_path / "dr-adams")
    assert service.stop() == 0


async def test_a_request_that_is_none_is_refused(service: Service, admin: IdentityClient) -> None:
    request = pb.EnrolRequest(
        msp_id="HospitalAMSP",
        enrolment_id="dr-broken",
        secret=await admin.register("dr-broken", "clinician"),
        csr=b"no request",
    )
    async with service.channel(None) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await pb_grpc.EnrolmentServiceStub(channel).Enrol(request)  # type: ignore[no-untyped-call]
    assert (_reason(caught).code, _reason(caught).violations[0][0]) == (grpc.StatusCode.INVALID_ARGUMENT, "csr")
