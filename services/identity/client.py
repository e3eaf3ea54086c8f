"""Calls to identity: enrolling with a key made here, and what administrators and registrars ask for.

A private key is written before its certificate is asked for and never leaves its folder. `cert.pem` is written last and
says that the identity is complete, so whatever is interrupted can be done again: `enrol` reuses the key, and the
service gives the same certificate again for the same secret and key; `join` also remembers the secret until then.

Failed calls raise `grpc.aio.AioRpcError`; `services.common.errors.explain` reads it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import grpc.aio
from cryptography.hazmat.primitives.asymmetric import ec
from salus.identity.v1 import identity_pb2 as pb
from salus.identity.v1 import identity_pb2_grpc as pb_grpc

from services.common.signer import load_key
from services.common.tls import connect
from services.identity import folders
from services.identity.authority import write_csr

ENROLMENT = pb.CERTIFICATE_PROFILE_ENROLMENT
TLS = pb.CERTIFICATE_PROFILE_TLS
LOCAL_NAMES = ("localhost", "127.0.0.1")
TIMEOUT_SECONDS = 30.0


def is_enrolled(folder: Path) -> bool:
    """Whether the folder holds a complete identity."""
    return (folder / "cert.pem").exists()


class EnrolmentClient:
    """For callers without a certificate. One channel serves any number of enrolments."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = pb_grpc.EnrolmentServiceStub(channel)

    async def enrol(
        self,
        msp_id: str,
        enrolment_id: str,
        secret: str,
        folder: Path,
        profile: pb.CertificateProfile = ENROLMENT,
        san: Sequence[str] = (),
    ) -> None:
        """Makes `folder` with key.pem (readable by its owner alone), tls_roots.pem and cert.pem. Nothing is done where
        that is complete. `san`: host names and addresses of a TLS certificate."""
        if is_enrolled(folder):
            return
        csr = write_csr(_key(folder), enrolment_id, san)
        request = pb.EnrolRequest(msp_id=msp_id, enrolment_id=enrolment_id, secret=secret, csr=csr, profile=profile)
        response = await self._stub.Enrol(request, timeout=TIMEOUT_SECONDS)
        _complete(folder, response.certificate, response.tls_roots)


async def enrol(
    address: str,
    tls_root_pem: bytes,
    msp_id: str,
    enrolment_id: str,
    secret: str,
    folder: Path,
    profile: pb.CertificateProfile = ENROLMENT,
    san: Sequence[str] = (),
) -> None:
    """One enrolment at the enrolment port `address`; see `EnrolmentClient.enrol`."""
    async with connect(address, None, tls_root_pem) as channel:
        await EnrolmentClient(channel).enrol(msp_id, enrolment_id, secret, folder, profile, san)


class IdentityClient:
    """For members, over a channel that presents their certificate. All of it is about the caller's organisation."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = pb_grpc.IdentityServiceStub(channel)

    async def register(
        self, enrolment_id: str, role: str, node_ou: str = "client", attributes: Mapping[str, str] | None = None
    ) -> str:
        """Returns the one-time secret. `node_ou`: client, peer, admin or orderer."""
        request = pb.RegisterRequest(
            enrolment_id=enrolment_id,
            node_ou=f"NODE_OU_{node_ou.upper()}",
            role=role,
            attributes=attributes or {},
        )
        response = await self._stub.Register(request, timeout=TIMEOUT_SECONDS)
        return str(response.secret)

    async def reenrol(
        self,
        enrolment_id: str,
        folder: Path,
        profile: pb.CertificateProfile = ENROLMENT,
        san: Sequence[str] = (),
    ) -> None:
        """A further certificate of the caller, for a new key, into a new folder."""
        csr = write_csr(_key(folder), enrolment_id, san)
        response = await self._stub.Reenrol(pb.ReenrolRequest(csr=csr, profile=profile), timeout=TIMEOUT_SECONDS)
        _complete(folder, response.certificate, response.tls_roots)

    async def revoke(
        self,
        *,
        enrolment_id: str = "",
        serial: str = "",
        reason: pb.RevocationReason = pb.REVOCATION_REASON_UNSPECIFIED,
    ) -> list[str]:
        """Revokes every certificate of an enrolment id, or one by serial number. Returns the serial numbers."""
        target = {"enrolment_id": enrolment_id} if enrolment_id else {"serial": serial}
        response = await self._stub.Revoke(pb.RevokeRequest(reason=reason, **target), timeout=TIMEOUT_SECONDS)
        return list(response.serials)

    async def crl(self, msp_id: str = "") -> bytes:
        """The revocation lists of an organisation, in PEM."""
        response = await self._stub.GetCrl(pb.GetCrlRequest(msp_id=msp_id), timeout=TIMEOUT_SECONDS)
        return bytes(response.crl)

    async def organisations(self) -> list[pb.Organisation]:
        """By MSP id."""
        response = await self._stub.ListOrganisations(pb.ListOrganisationsRequest(), timeout=TIMEOUT_SECONDS)
        return list(response.organisations)

    async def registrations(self, role: str = "", page_size: int = 0) -> AsyncIterator[pb.Registration]:
        """By enrolment id; patients only when `role` asks for them."""
        token = ""
        while True:
            request = pb.ListRegistrationsRequest(role=role, page_size=page_size, page_token=token)
            response = await self._stub.ListRegistrations(request, timeout=TIMEOUT_SECONDS)
            for each in response.registrations:
                yield each
            token = response.next_page_token
            if not token:
                return

    async def pseudonym(self, patient_identifier: str) -> str:
        """The patient's pseudonym, made at first use."""
        request = pb.GetPseudonymRequest(patient_identifier=patient_identifier)
        response = await self._stub.GetPseudonym(request, timeout=TIMEOUT_SECONDS)
        return str(response.pseudonym)

    async def erase_pseudonym(self, *, patient_identifier: str = "", pseudonym: str = "") -> None:
        """Erases what links a pseudonym to the patient."""
        target = {"pseudonym": pseudonym} if pseudonym else {"patient_identifier": patient_identifier}
        await self._stub.ErasePseudonym(pb.ErasePseudonymRequest(**target), timeout=TIMEOUT_SECONDS)


async def join(
    registrar: IdentityClient,
    enrolment: EnrolmentClient,
    msp_id: str,
    enrolment_id: str,
    folder: Path,
    *,
    role: str,
    node_ou: str = "client",
    attributes: Mapping[str, str] | None = None,
    tls_folder: Path | None = None,
    san: Sequence[str] = LOCAL_NAMES,
) -> None:
    """Registers somebody and enrols them, and with `tls_folder` gets a server's TLS certificate too. May be cut short
    at any point and called again: what is complete is left, the rest is done."""
    wanted = [(folder, ENROLMENT, ()), *([(tls_folder, TLS, san)] if tls_folder is not None else [])]
    secret_path = folder / "secret"
    if not all(is_enrolled(each) for each, _, _ in wanted):
        if not secret_path.exists():
            secret = await registrar.register(enrolment_id, role, node_ou, attributes)
            folders.write_secret(secret_path, secret.encode())
        secret = secret_path.read_text()
        for each, profile, names in wanted:
            await enrolment.enrol(msp_id, enrolment_id, secret, each, profile, names)
    secret_path.unlink(missing_ok=True)


def _key(folder: Path) -> ec.EllipticCurvePrivateKey:
    """The key of a folder whose enrolment was interrupted, or else a new one."""
    path = folder / "key.pem"
    if path.exists():
        return load_key(path)
    key = ec.generate_private_key(ec.SECP256R1())
    folders.write_secret(path, folders.key_pem(key))
    return key


def _complete(folder: Path, certificate: bytes, tls_roots: bytes) -> None:
    folders.write(folder / "tls_roots.pem", tls_roots)
    folders.write(folder / "cert.pem", certificate)
