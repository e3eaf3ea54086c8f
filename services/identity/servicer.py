"""The gRPC edge of identity: protobuf in and out, and which status each error becomes.

The registry is for one thread at a time; `work` runs it there, off the event loop.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

import grpc
import grpc.aio
from cryptography import x509
from google.protobuf.timestamp_pb2 import Timestamp
from salus.identity.v1 import identity_pb2 as pb
from salus.identity.v1 import identity_pb2_grpc as pb_grpc

from services.common.access import caller
from services.common.errors import StatusError
from services.common.msp import IdentityError, Membership
from services.identity.errors import (
    AlreadyEnrolledError,
    InvalidRequestError,
    NotAllowedError,
    NotFoundError,
    RegistryError,
    SecretError,
)
from services.identity.registration import Profile
from services.identity.registry import Caller, Issued, Registry

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
Work = Callable[[Callable[[], Any]], Awaitable[Any]]
Context = grpc.aio.ServicerContext[Any, Any]

DEFAULT_PAGE, MAX_PAGE = 100, 1000

_STATUS: Mapping[type[RegistryError], tuple[grpc.StatusCode, str]] = {
    InvalidRequestError: (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
    NotAllowedError: (grpc.StatusCode.PERMISSION_DENIED, "NOT_ALLOWED"),
    NotFoundError: (grpc.StatusCode.NOT_FOUND, "NOT_FOUND"),
    AlreadyEnrolledError: (grpc.StatusCode.ALREADY_EXISTS, "ALREADY_ENROLLED"),
    SecretError: (grpc.StatusCode.UNAUTHENTICATED, "WRONG_SECRET"),
}
_PROFILES = {
    pb.CERTIFICATE_PROFILE_UNSPECIFIED: Profile.ENROLMENT,
    pb.CERTIFICATE_PROFILE_ENROLMENT: Profile.ENROLMENT,
    pb.CERTIFICATE_PROFILE_TLS: Profile.TLS,
}
_NODE_OUS = {
    pb.NODE_OU_UNSPECIFIED: "client",
    pb.NODE_OU_CLIENT: "client",
    pb.NODE_OU_PEER: "peer",
    pb.NODE_OU_ADMIN: "admin",
    pb.NODE_OU_ORDERER: "orderer",
}
_NODE_OU_NUMBERS = {name: number for number, name in _NODE_OUS.items()}
_REASONS = {
    pb.REVOCATION_REASON_UNSPECIFIED: x509.ReasonFlags.unspecified,
    pb.REVOCATION_REASON_KEY_COMPROMISE: x509.ReasonFlags.key_compromise,
    pb.REVOCATION_REASON_AFFILIATION_CHANGED: x509.ReasonFlags.affiliation_changed,
    pb.REVOCATION_REASON_SUPERSEDED: x509.ReasonFlags.superseded,
    pb.REVOCATION_REASON_CESSATION_OF_OPERATION: x509.ReasonFlags.cessation_of_operation,
}


class _Desk:
    """Runs the registry in its thread and maps its errors."""

    def __init__(self, registry: Registry, work: Work) -> None:
        self._registry, self._work = registry, work

    async def _do(
        self, method: Callable[_Arguments, _Result], *arguments: _Arguments.args, **named: _Arguments.kwargs
    ) -> _Result:
        try:
            done: _Result = await self._work(lambda: method(*arguments, **named))
        except RegistryError as error:
            code, reason = _STATUS[type(error)]
            violations = error.violations if isinstance(error, InvalidRequestError) else ()
            raise StatusError(code, reason, str(error), violations=violations) from None
        return done


class EnrolmentServicer(_Desk, pb_grpc.EnrolmentServiceServicer):
    """For callers without a certificate."""

    async def Enrol(self, request: pb.EnrolRequest, context: Context) -> pb.EnrolResponse:
        issued = await self._do(
            self._registry.enrol,
            request.msp_id,
            request.enrolment_id,
            request.secret,
            request.csr,
            _known(_PROFILES, request.profile, "profile"),
        )
        return pb.EnrolResponse(**_issued(issued))


class IdentityServicer(_Desk, pb_grpc.IdentityServiceServicer):
    """For members; `services.identity.access` says which of them."""

    def __init__(self, registry: Registry, work: Work, membership: Membership, clock: Callable[[], datetime]) -> None:
        super().__init__(registry, work)
        self._membership, self._clock = membership, clock

    async def Register(self, request: pb.RegisterRequest, context: Context) -> pb.RegisterResponse:
        secret = await self._do(
            self._registry.register,
            _caller(),
            request.enrolment_id,
            _known(_NODE_OUS, request.node_ou, "node_ou"),
            request.role,
            dict(request.attributes),
        )
        expires = Timestamp()
        expires.FromDatetime(secret.expires)
        return pb.RegisterResponse(secret=secret.text, expires=expires)

    async def Reenrol(self, request: pb.ReenrolRequest, context: Context) -> pb.ReenrolResponse:
        try:
            # A server's TLS certificate also opens the connection, but must not turn into its holder's identity.
            self._membership.identify_serialized(caller().serialized, self._clock())
        except IdentityError:
            raise StatusError(
                grpc.StatusCode.PERMISSION_DENIED, "NOT_ENROLLED", "this call takes an enrolment certificate"
            ) from None
        profile = _known(_PROFILES, request.profile, "profile")
        return pb.ReenrolResponse(**_issued(await self._do(self._registry.reenrol, _caller(), request.csr, profile)))

    async def Revoke(self, request: pb.RevokeRequest, context: Context) -> pb.RevokeResponse:
        _one_target(request, "target")
        serials = await self._do(
            self._registry.revoke,
            _caller(),
            enrolment_id=request.enrolment_id,
            serial=request.serial,
            reason=_known(_REASONS, request.reason, "reason"),
        )
        return pb.RevokeResponse(serials=serials)

    async def GetCrl(self, request: pb.GetCrlRequest, context: Context) -> pb.GetCrlResponse:
        return pb.GetCrlResponse(crl=await self._do(self._registry.crl, request.msp_id or caller().msp_id))

    async def ListOrganisations(
        self, request: pb.ListOrganisationsRequest, context: Context
    ) -> pb.ListOrganisationsResponse:
        return pb.ListOrganisationsResponse(
            organisations=[
                pb.Organisation(msp_id=each.msp_id, name=each.name, root=each.ca.pem, tls_root=each.tls_ca.pem)
                for each in self._registry.organisations()
            ]
        )

    async def ListRegistrations(
        self, request: pb.ListRegistrationsRequest, context: Context
    ) -> pb.ListRegistrationsResponse:
        if not 0 <= request.page_size <= MAX_PAGE:
            raise _invalid("page_size", f"must be 0 to {MAX_PAGE}")
        size = request.page_size or DEFAULT_PAGE
        after = _page(request.page_token)
        found = await self._do(self._registry.registrations, _caller(), request.role, after, size + 1)
        page = found[:size]
        return pb.ListRegistrationsResponse(
            registrations=[
                pb.Registration(
                    enrolment_id=each.enrolment_id,
                    node_ou=_NODE_OU_NUMBERS[each.node_ou],
                    role=each.role,
                    certificates=certificates,
                    revoked=each.revoked,
                )
                for each, certificates in page
            ],
            next_page_token=_token(page[-1][0].enrolment_id) if len(found) > size else "",
        )

    async def GetPseudonym(self, request: pb.GetPseudonymRequest, context: Context) -> pb.GetPseudonymResponse:
        return pb.GetPseudonymResponse(
            pseudonym=await self._do(self._registry.pseudonym, _caller(), request.patient_identifier)
        )

    async def ErasePseudonym(self, request: pb.ErasePseudonymRequest, context: Context) -> pb.ErasePseudonymResponse:
        _one_target(request, "target")
        await self._do(
            self._registry.erase_pseudonym,
            _caller(),
            identifier=request.patient_identifier,
            name=request.pseudonym,
        )
        return pb.ErasePseudonymResponse()


def _caller() -> Caller:
    identity = caller()
    return Caller(identity.msp_id, identity.enrolment_id, identity.role)


def _issued(issued: Issued) -> dict[str, bytes]:
    return {"certificate": issued.certificate, "issuer": issued.issuer, "tls_roots": issued.tls_roots}


def _known(values: Mapping[Any, _Result], number: int, field: str) -> _Result:
    if number not in values:
        raise _invalid(field, "is no value that this service knows")
    return values[number]


def _one_target(request: pb.RevokeRequest | pb.ErasePseudonymRequest, oneof: str) -> None:
    which = request.WhichOneof(oneof)
    if which is None or not getattr(request, which):
        raise _invalid(which or oneof, "is missing")


def _invalid(field: str, what: str) -> StatusError:
    error = InvalidRequestError([(field, what)])
    code, reason = _STATUS[InvalidRequestError]
    return StatusError(code, reason, str(error), violations=error.violations)


def _token(enrolment_id: str) -> str:
    return base64.urlsafe_b64encode(enrolment_id.encode()).decode()


def _page(token: str) -> str:
    try:
        return base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError):
        raise _invalid("page_token", "is from no previous response") from None
