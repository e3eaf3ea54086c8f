"""The gRPC edge of the consent service: decodes, checks who asks about whom, calls the ledger, maps errors.

Patients sign for themselves: Grant and Revoke only draft, Endorse and Submit only pass on. Queries go to the contract
`consent` under the service's own identity. Nothing here, nor in what it raises, names a pseudonym.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

import grpc
from salus.consent.v1 import consent_pb2, consent_pb2_grpc

from chaincode.core import canonical, provision
from chaincode.core.provision import Actor, ProvisionError
from services.common.access import caller
from services.common.errors import StatusError
from services.common.msp import Identity
from services.consent import conversion, faults, forwarding
from services.consent.forwarding import CONTRACT, GRANT, REVOKE, ForwardingError
from services.ledger import proposal as proposals
from services.ledger.client import LedgerClient, LedgerError
from services.ledger.proposal import Proposal

DEFAULT_PAGE = 100
MAX_PAGE = 1000
SALT_BYTES = 32

_Context = grpc.aio.ServicerContext[Any, Any]
_PSEUDONYM = re.compile(r"[0-9a-f]{32}")
_WORD = re.compile(r"[0-9A-Za-z._-]{1,64}")


class ConsentServicer(consent_pb2_grpc.ConsentServiceServicer):
    """`entropy` gives that many random bytes: nonces, salts and the ids of consents."""

    def __init__(self, ledger: LedgerClient, clock: Callable[[], datetime], entropy: Callable[[int], bytes]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._entropy = entropy

    async def Grant(self, request: consent_pb2.GrantRequest, context: _Context) -> consent_pb2.GrantResponse:
        patient = caller()
        try:
            provisions = conversion.read_provisions(request.provisions)
        except ProvisionError as error:
            raise faults.invalid("provisions", str(error)) from None
        consent_id = str(UUID(bytes=self._entropy(16), version=4))
        body = {
            "id": consent_id,
            "patient": patient.enrolment_id,
            "provisions": [provision.provision_json(each) for each in provisions],
        }
        transient = {"consent": canonical.encode(body), "salt": self._entropy(SALT_BYTES)}
        drafted = self._draft(patient, GRANT, consent_id, transient)
        return consent_pb2.GrantResponse(consent_id=consent_id, draft=_draft_message(drafted))

    async def Revoke(self, request: consent_pb2.RevokeRequest, context: _Context) -> consent_pb2.RevokeResponse:
        if not _WORD.fullmatch(request.consent_id):
            raise faults.invalid("consent_id", "takes a consent's id")
        drafted = self._draft(caller(), REVOKE, request.consent_id, {})
        return consent_pb2.RevokeResponse(draft=_draft_message(drafted))

    async def Endorse(self, request: consent_pb2.EndorseRequest, context: _Context) -> consent_pb2.EndorseResponse:
        try:
            checked = forwarding.check_proposal(request.proposal, request.signature, self._ledger.channel_id, caller())
            transaction = await self._ledger.endorse(checked, request.signature)
        except ForwardingError as error:
            raise faults.not_forwarded(error) from None
        except LedgerError as error:
            raise faults.from_ledger(error) from None
        return consent_pb2.EndorseResponse(transaction_id=transaction.transaction_id, payload=transaction.payload)

    async def Submit(self, request: consent_pb2.SubmitRequest, context: _Context) -> consent_pb2.SubmitResponse:
        try:
            checked = forwarding.check_transaction(
                request.payload, request.signature, self._ledger.channel_id, caller()
            )
        except ForwardingError as error:
            raise faults.not_forwarded(error) from None
        name = checked.transaction_id
        try:
            await self._ledger.submit_transaction(checked, request.signature)
            code, block_number = await self._ledger.commit_status(name)
        except LedgerError as error:
            raise faults.from_ledger(error, name) from None
        if code != "VALID":
            raise faults.invalid_transaction(name, code)
        return consent_pb2.SubmitResponse(transaction_id=name, block_number=block_number)

    async def List(self, request: consent_pb2.ListRequest, context: _Context) -> consent_pb2.ListResponse:
        rows = await self._ask("List", _own_pseudonym(request.patient))
        return consent_pb2.ListResponse(consents=[conversion.write_consent(row) for row in rows])

    async def Evaluate(self, request: consent_pb2.EvaluateRequest, context: _Context) -> consent_pb2.EvaluateResponse:
        actor = self._actor(request, caller())
        for field, takes in (("data_class", "one data class"), ("purpose", "one purpose"), ("model", "a model's id")):
            if not _WORD.fullmatch(getattr(request, field)):
                raise faults.invalid(field, f"takes {takes}")
        question = {
            "patient": request.patient,
            "actor": provision.actor_json(actor),
            "data_class": request.data_class,
            "purpose": request.purpose,
            "model": request.model,
            "emergency_reason": request.emergency_reason,
        }
        verdict = await self._ask("Evaluate", canonical.encode(question).decode())
        return conversion.write_verdict(verdict)

    async def ListUses(self, request: consent_pb2.ListUsesRequest, context: _Context) -> consent_pb2.ListUsesResponse:
        patient = _own_pseudonym(request.patient)
        if not 0 <= request.page_size <= MAX_PAGE:
            raise faults.invalid("page_size", f"takes 0 to {MAX_PAGE}")
        page = await self._ask("ListUses", patient, str(request.page_size or DEFAULT_PAGE), request.page_token)
        return consent_pb2.ListUsesResponse(
            uses=[conversion.write_use(row) for row in page["uses"]], next_page_token=page["bookmark"]
        )

    def _draft(self, patient: Identity, function: str, consent_id: str, transient: dict[str, bytes]) -> Proposal:
        return proposals.draft_proposal(
            self._ledger.channel_id,
            patient.serialized,
            CONTRACT,
            function,
            (consent_id,),
            transient,
            self._entropy(proposals.NONCE_BYTES),
            self._clock(),
        )

    def _actor(self, request: consent_pb2.EvaluateRequest, asks: Identity) -> Actor:
        """Who would use the data: a clinician is who their certificate says, a patient names anybody, and the inference
        service names somebody of its own organisation."""
        if not _PSEUDONYM.fullmatch(request.patient):
            raise faults.invalid("patient", "takes a pseudonym: 32 lower-case hexadecimal characters")
        try:
            named = conversion.read_actor(request.actor)
        except ProvisionError as error:
            raise faults.invalid("actor", str(error)) from None
        if asks.role == "clinician":
            own = Actor(asks.msp_id, asks.role, asks.enrolment_id)
            if named not in (Actor(), own):
                raise faults.invalid("actor", "is taken from a clinician's certificate: leave it empty")
            return own
        if asks.role == "patient":
            _own_pseudonym(request.patient)
            if asks.msp_id != self._ledger.signer.msp_id:
                raise _denied("WRONG_ORGANISATION", "ask the consent service of your own organisation")
        elif named.organisation != asks.msp_id:
            raise _denied("WRONG_ORGANISATION", "an inference service asks for its own organisation")
        if not named.organisation or not named.role:
            raise faults.invalid("actor", "takes an organisation and a role")
        return named

    async def _ask(self, function: str, *arguments: str) -> Any:
        """Evaluates a function of the contract under the service's identity."""
        try:
            return canonical.decode(await self._ledger.evaluate(CONTRACT, function, *arguments))
        except LedgerError as error:
            raise faults.from_ledger(error) from None


def _own_pseudonym(patient: str) -> str:
    """The caller's pseudonym. Raises StatusError where the caller asked for another."""
    own = caller().enrolment_id
    if patient not in ("", own):
        raise _denied("NOT_YOURS", "patients see their own data")
    return own


def _denied(reason: str, message: str) -> StatusError:
    return StatusError(grpc.StatusCode.PERMISSION_DENIED, reason, message)


def _draft_message(drafted: Proposal) -> consent_pb2.Draft:
    return consent_pb2.Draft(transaction_id=drafted.transaction_id, proposal=drafted.payload)
