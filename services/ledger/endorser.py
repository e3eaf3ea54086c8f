"""An organisation's endorser: executes the contract on committed state and signs what came out.

A proposal is checked before any organisation executes it: header, nonce, creator and transaction id; then the
creator's certificate and signature. The organisations of this node share one membership and so one check; each has its
own key and its own instance of every contract. Texts are those of Fabric's endorser (core/endorser), without
certificates in them.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2

from chaincode.api.contract import Contract
from chaincode.api.stub import Response
from chaincode.runtime.inprocess import invoke
from services.common.logs import log
from services.common.msp import Identity, IdentityError, MalformedCertificateError, Membership, UnknownMspError
from services.common.signer import Signer
from services.ledger.definitions import Definitions
from services.ledger.proposal import UnpackedProposal, transaction_id
from services.ledger.simulator import Simulator
from services.ledger.state import Snapshot
from services.ledger.transactions import Endorsement
from services.ledger.validation import endorsement_digest

_logger = logging.getLogger(__name__)


class ProposalRefusedError(Exception):
    """The proposal is not executed. The text is for its sender."""


class EndorserUnfitError(Exception):
    """The organisation cannot endorse at all: its peer's certificate is not accepted."""


@dataclass(frozen=True)
class Simulated:
    """What an organisation's execution gave. `payload` is the serialised `protos.ProposalResponsePayload`,
    `endorsement` the `protos.Endorsement` of it; where the contract refused there is none, and no read-write set."""

    response: Response
    public: bytes = b""
    private: bytes | None = None
    payload: bytes = b""
    endorsement: Any = None


def check(proposal: UnpackedProposal, membership: Membership, at: datetime) -> Identity:
    """The creator, once everything about the proposal holds. Raises ProposalRefusedError."""
    if proposal.header_type != common_pb2.HeaderType.ENDORSER_TRANSACTION:
        raise ProposalRefusedError("invalid header type")
    if proposal.epoch != 0:
        raise ProposalRefusedError("epoch is non-zero")
    if not proposal.nonce:
        raise ProposalRefusedError("nonce is empty")
    if not proposal.creator:
        raise ProposalRefusedError("creator is empty")
    expected = transaction_id(proposal.nonce, proposal.creator)
    if proposal.transaction_id != expected:
        given = proposal.transaction_id[:64]
        raise ProposalRefusedError(f"incorrectly computed txid '{given}' -- expected '{expected}'")
    if not proposal.signed.signature:
        raise ProposalRefusedError("empty signature bytes")
    denied = f"access denied: channel [{proposal.channel_id}] creator org"
    try:
        creator = membership.identify_serialized(proposal.creator, at)
        creator.verify(proposal.signed.signature, proposal.signed.proposal_bytes)
    except (MalformedCertificateError, UnknownMspError):
        raise ProposalRefusedError(f"{denied} unknown, creator is malformed") from None
    except IdentityError:
        msp_id = identities_pb2.SerializedIdentity.FromString(proposal.creator).mspid
        raise ProposalRefusedError(f"{denied} [{msp_id}]") from None
    return creator


def message(response: Response) -> Any:
    """The `protos.Response`."""
    return proposal_response_pb2.Response(status=response.status, message=response.message, payload=response.payload)


class Endorser:
    """One organisation's. Thread-safe as far as its contracts are, which keep nothing between transactions."""

    def __init__(
        self,
        signer: Signer,
        contracts: Mapping[str, Contract],
        definitions: Definitions,
        membership: Membership,
        clock: Callable[[], datetime],
        made: Callable[[bytes], None],
    ) -> None:
        """`made` is told the digest of every endorsement that is made."""
        self._signer = signer
        self._contracts = contracts
        self._definitions = definitions
        self._membership = membership
        self._clock = clock
        self._made = made

    @property
    def address(self) -> str:
        """How error details name this endorser."""
        return f"peer.{self._signer.msp_id}"

    @property
    def unsigned(self) -> Any:
        """A `protos.Endorsement` by this endorser that holds for nothing: it has no signature."""
        return proposal_response_pb2.Endorsement(endorser=self._signer.serialized)

    def is_query(self, proposal: UnpackedProposal) -> bool:
        """Whether the proposal calls a function that its contract says is only to be evaluated."""
        return self._contracts[proposal.contract].is_query(proposal.args)

    def simulate(self, proposal: UnpackedProposal, creator: Identity, snapshot: Snapshot) -> Simulated:
        """Executes a checked proposal, whose contract is defined, and endorses it where the contract agrees.

        Raises EndorserUnfitError.
        """
        try:
            own = self._membership.identify_serialized(self._signer.serialized, self._clock())
        except IdentityError as error:
            raise EndorserUnfitError(f"the endorser's certificate is not accepted: {error}") from None
        started = time.perf_counter()
        stub = Simulator(
            snapshot,
            proposal,
            creator=creator,
            endorser=own,
            definitions=self._definitions,
            call=lambda name, called: invoke(self._contracts[name], called),
        )
        response = invoke(self._contracts[proposal.contract], stub)
        log(
            _logger,
            logging.DEBUG,
            "contract executed",
            msp=self._signer.msp_id,
            contract=proposal.contract,
            transaction=proposal.transaction_id,
            status=response.status,
            ms=round((time.perf_counter() - started) * 1000, 2),
        )
        if not response.ok:
            return Simulated(response, payload=self._payload(proposal, response, b"", b""))
        results = stub.results()
        payload = self._payload(proposal, response, results.public, results.event)
        return Simulated(response, results.public, results.private, payload, self._endorse(payload))

    def _payload(self, proposal: UnpackedProposal, response: Response, results: bytes, event: bytes) -> bytes:
        action = proposal_pb2.ChaincodeAction(
            results=results,
            events=event,
            response=message(response),
            chaincode_id=chaincode_pb2.ChaincodeID(
                name=proposal.contract, version=self._definitions[proposal.contract].version
            ),
        )
        payload = proposal_response_pb2.ProposalResponsePayload(
            proposal_hash=proposal.digest, extension=action.SerializeToString()
        )
        return bytes(payload.SerializeToString())

    def _endorse(self, payload: bytes) -> Any:
        endorser = self._signer.serialized
        message = payload + endorser
        signature = self._signer.sign(message)
        self._made(endorsement_digest(Endorsement(endorser, signature, message)))
        return proposal_response_pb2.Endorsement(endorser=endorser, signature=signature)
