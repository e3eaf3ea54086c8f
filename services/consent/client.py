"""For patients: `ConsentClient` grants and revokes with the patient's own key.

    draft ──check, sign──▶ Endorse ──check, sign──▶ Submit

The service drafts, and is not trusted: before anything is signed, the proposal must say what was asked (channel,
contract, function, arguments, transient data, creator), and the endorsed transaction must carry that same proposal.
A transaction that lost a race (MVCC) is drafted again, a bounded number of times.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from fabric_protos.common import common_pb2
from fabric_protos.peer import proposal_pb2, transaction_pb2
from google.protobuf.message import DecodeError
from salus.consent.v1 import consent_pb2, consent_pb2_grpc

from chaincode.core import canonical, certificate, provision
from chaincode.core.provision import Actor, Provision, ProvisionError
from services.common.errors import ErrorDetails, explain
from services.common.signer import Signer
from services.consent import conversion
from services.consent.forwarding import CONTRACT, GRANT, REVOKE, same_identity
from services.ledger import proposal as proposals
from services.ledger.proposal import ProposalError, UnpackedProposal

ATTEMPTS = 5
TIMEOUT = 60.0
COMMIT_TIMEOUT = 120.0
MIN_SALT_BYTES = 16
_CONFLICTS = frozenset({"MVCC_READ_CONFLICT", "PHANTOM_READ_CONFLICT"})


class ConsentError(Exception):
    """A call failed. `reason` is one upper-case word, `details` what the service said."""

    def __init__(self, details: ErrorDetails) -> None:
        super().__init__(details.message)
        self.reason = details.reason or details.code.name
        self.message = details.message
        self.details = details


class ConflictError(ConsentError):
    """The transaction was found invalid: something else had changed what it read. It may be drafted again."""


class ConsentUnavailableError(ConsentError):
    """The service or its ledger cannot be reached; with reason OUTCOME_UNKNOWN, whether it committed is not known."""


class DraftError(Exception):
    """The service drafted, or returned, something else than was asked. Nothing more was signed."""


@dataclass(frozen=True)
class Draft:
    """A checked proposal, ready to sign. `consent_id` is the new consent, or the one to revoke."""

    consent_id: str
    transaction_id: str
    proposal: bytes


@dataclass(frozen=True)
class Endorsed:
    """A checked transaction, ready to sign."""

    consent_id: str
    transaction_id: str
    payload: bytes


@dataclass(frozen=True)
class Committed:
    """A grant or a revocation that is durable and valid."""

    consent_id: str
    transaction_id: str
    block_number: int


class ConsentClient:
    """Calls the consent service on `channel` for the identity of `signer`.

    Each method raises ConsentError (or its kinds) and, while granting or revoking, DraftError.
    """

    def __init__(
        self, channel: grpc.aio.Channel, signer: Signer, channel_id: str = "salus", attempts: int = ATTEMPTS
    ) -> None:
        self._stub = consent_pb2_grpc.ConsentServiceStub(channel)
        self._signer = signer
        self._channel_id = channel_id
        self._attempts = attempts
        self._patient = certificate.parse(signer.certificate_pem).enrolment_id

    async def grant(self, provisions: Sequence[Provision]) -> Committed:
        """Grants a consent of these rules, and waits until it is committed."""
        return await self._commit(lambda: self.draft_grant(provisions))

    async def revoke(self, consent_id: str) -> Committed:
        """Revokes a consent, and waits until that is committed."""
        return await self._commit(lambda: self.draft_revoke(consent_id))

    async def draft_grant(self, provisions: Sequence[Provision]) -> Draft:
        """Has a grant drafted, and checks it."""
        request = consent_pb2.GrantRequest(provisions=[conversion.write_provision(each) for each in provisions])
        response = await _call(self._stub.Grant(request, timeout=TIMEOUT))
        draft = Draft(response.consent_id, response.draft.transaction_id, response.draft.proposal)
        transient = self._check(draft, GRANT).transient
        if set(transient) != {"consent", "salt"} or len(transient["salt"]) < MIN_SALT_BYTES:
            raise DraftError("the draft's transient data is not a consent and a salt")
        _check_consent(transient["consent"], draft.consent_id, self._patient, provisions)
        return draft

    async def draft_revoke(self, consent_id: str) -> Draft:
        """Has a revocation drafted, and checks it."""
        response = await _call(self._stub.Revoke(consent_pb2.RevokeRequest(consent_id=consent_id), timeout=TIMEOUT))
        draft = Draft(consent_id, response.draft.transaction_id, response.draft.proposal)
        if self._check(draft, REVOKE).transient:
            raise DraftError("the draft carries transient data that was not asked for")
        return draft

    async def endorse(self, draft: Draft) -> Endorsed:
        """Signs the draft and has it endorsed. Nothing is written yet."""
        signature = self._signer.sign(draft.proposal)
        response = await _call(
            self._stub.Endorse(
                consent_pb2.EndorseRequest(proposal=draft.proposal, signature=signature), timeout=COMMIT_TIMEOUT
            )
        )
        _check_carries(response.payload, draft.proposal)
        return Endorsed(draft.consent_id, draft.transaction_id, response.payload)

    async def submit(self, endorsed: Endorsed) -> Committed:
        """Signs the transaction and submits it. Safe to repeat with the same value when the outcome is unknown."""
        signature = self._signer.sign(endorsed.payload)
        response = await _call(
            self._stub.Submit(
                consent_pb2.SubmitRequest(payload=endorsed.payload, signature=signature), timeout=COMMIT_TIMEOUT
            )
        )
        return Committed(endorsed.consent_id, endorsed.transaction_id, response.block_number)

    async def list(self) -> list[consent_pb2.Consent]:
        """The patient's consents in the order granted, revoked ones included."""
        response = await _call(self._stub.List(consent_pb2.ListRequest(), timeout=TIMEOUT))
        return list(response.consents)

    async def evaluate(
        self, patient: str, actor: Actor, data_class: str, purpose: str, model: str, emergency_reason: str = ""
    ) -> consent_pb2.EvaluateResponse:
        """Would this use be permitted now? A clinician leaves `actor` empty: `Actor()`."""
        request = consent_pb2.EvaluateRequest(
            patient=patient,
            actor=conversion.write_actor(actor),
            data_class=data_class,
            purpose=purpose,
            model=model,
            emergency_reason=emergency_reason,
        )
        return await _call(self._stub.Evaluate(request, timeout=TIMEOUT))

    async def uses(self, page_size: int = 0, page_token: str = "") -> consent_pb2.ListUsesResponse:
        """One page of the uses and refusals of the patient's data, newest first."""
        request = consent_pb2.ListUsesRequest(page_size=page_size, page_token=page_token)
        return await _call(self._stub.ListUses(request, timeout=TIMEOUT))

    async def _commit(self, draft: Callable[[], Awaitable[Draft]]) -> Committed:
        left = self._attempts
        while True:
            try:
                return await self.submit(await self.endorse(await draft()))
            except ConflictError:
                left -= 1
                if left <= 0:
                    raise

    def _check(self, draft: Draft, function: str) -> UnpackedProposal:
        try:
            unpacked = proposals.unpack(proposal_pb2.SignedProposal(proposal_bytes=draft.proposal))
        except ProposalError:
            raise DraftError("the draft is no proposal") from None
        asked: Mapping[str, bool] = {
            "channel": unpacked.channel_id == self._channel_id,
            "contract": unpacked.contract == CONTRACT,
            "function or arguments": unpacked.args == (function.encode(), draft.consent_id.encode()),
            "creator": same_identity(unpacked.creator, self._signer.msp_id, self._signer.certificate_pem),
            "transaction id": draft.transaction_id
            == unpacked.transaction_id
            == proposals.transaction_id(unpacked.nonce, unpacked.creator),
        }
        for part, holds in asked.items():
            if not holds:
                raise DraftError(f"the draft's {part} is not what was asked for")
        return unpacked


def _check_consent(body: bytes, consent_id: str, patient: str, provisions: Sequence[Provision]) -> None:
    """That the consent drafted is the one asked for, with no rule added, left out or changed."""
    try:
        document = canonical.decode(body)
        drafted = provision.parse(document)
    except (ValueError, ProvisionError):
        raise DraftError("the drafted consent cannot be read") from None
    if set(document) != {"id", "patient", "provisions"} or (drafted.id, drafted.patient) != (consent_id, patient):
        raise DraftError("the drafted consent is not the patient's own")
    if drafted.provisions != tuple(provisions):
        raise DraftError("the drafted consent has other rules than were asked for")


def _check_carries(payload: bytes, proposal_bytes: bytes) -> None:
    """That an endorsed transaction is of this proposal: the same header, and the same call without transient data."""
    try:
        proposal = proposal_pb2.Proposal.FromString(proposal_bytes)
        called = proposal_pb2.ChaincodeProposalPayload.FromString(proposal.payload).input
        header = common_pb2.Header.FromString(proposal.header)
        outer = common_pb2.Payload.FromString(payload)
        actions = transaction_pb2.Transaction.FromString(outer.data).actions
        carried = [transaction_pb2.ChaincodeActionPayload.FromString(each.payload) for each in actions]
        inputs = [
            proposal_pb2.ChaincodeProposalPayload.FromString(each.chaincode_proposal_payload).input for each in carried
        ]
    except DecodeError:
        raise DraftError("the service returned no endorsed transaction") from None
    if outer.header != header or inputs != [called]:
        raise DraftError("the service returned another transaction than the one signed")


async def _call(answer: Awaitable[Any]) -> Any:
    try:
        return await answer
    except grpc.aio.AioRpcError as error:
        details = explain(error)
        if details.code == grpc.StatusCode.UNAVAILABLE:
            raise ConsentUnavailableError(details) from error
        if details.reason in _CONFLICTS:
            raise ConflictError(details) from None
        raise ConsentError(details) from None
