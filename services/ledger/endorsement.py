"""Who endorses, and in which order: what Fabric's gateway does with a proposal. Synchronous; runs in a worker thread.

1. The proposal is taken apart and checked.
2. The first organisation executes it: the creator's own, or else one that the contract's policy names. Transient data
   goes to no other than the creator's organisation before it is known whom it concerns.
3. What was touched says which policies must hold: the contract's for its public writes, or where it only reads; the
   collection's (or else the contract's) for a private collection. Where private data was read, and for every collection
   when there is transient data, only the collection's members are asked.
4. A function that its contract marks read-only is evaluated, never endorsed: its answer may hold private data, and
   would be in a block for good.
5. The smallest sets of organisations that satisfy all of these are tried in turn, those with the first organisation
   before others, until one is complete. All must give the same bytes: those are what the endorsements sign.

All organisations execute on one snapshot, so a commit in between cannot make them differ. System chaincodes are
evaluated without any of this: they read the ledger that the organisations share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import grpc
from fabric_protos.peer import proposal_response_pb2

from chaincode.api.stub import ERROR, Response
from services.common.msp import Identity, Membership
from services.ledger import endorser as endorsers
from services.ledger import policy as policies
from services.ledger import proposal as proposals
from services.ledger import rwset
from services.ledger.definitions import Definitions
from services.ledger.endorser import Endorser, EndorserUnfitError, ProposalRefusedError, Simulated
from services.ledger.faults import Detail, GatewayError
from services.ledger.policy import Policy
from services.ledger.private import PrivateStore
from services.ledger.proposal import ProposalError, UnpackedProposal
from services.ledger.state import Snapshot, StateStore
from services.ledger.system import SystemChaincodes

_CODE = grpc.StatusCode
_EVALUATE = "evaluate call to endorser returned error: "
_NOT_ENDORSED = "failed to endorse transaction, see attached details for more info"
_QUERY = Response(ERROR, "READ_ONLY: this function is a query: evaluate it, do not submit it")
_NO_PLAN = "no combination of peers can be derived which satisfy the endorsement policy"


@dataclass(frozen=True)
class Requirement:
    """What the organisations that endorse must satisfy. `collections` are the private collections touched."""

    policies: tuple[Policy, ...]
    members_of: tuple[Policy, ...]
    collections: tuple[str, ...]


def requirement(touched: Iterable[rwset.NamespaceSet], definitions: Definitions, *, transient: bool) -> Requirement:
    """What a read-write set asks for; see the module's rule 3. Raises KeyError for what is not defined."""
    needed: dict[Policy, None] = {}
    members: dict[Policy, None] = {}
    names: list[str] = []
    for each in touched:
        definition = definitions[each.name]
        if each.writes or not each.written:
            needed[definition.policy] = None
        for part in each.collections:
            collection = definition.collections[part.name]
            needed[collection.endorsement_policy or definition.policy] = None
            names.append(part.name)
            if part.reads or transient:
                members[collection.policy] = None
    return Requirement(tuple(needed), tuple(members), tuple(names))


class Endorsing:
    """The organisations of this node, asked in Fabric's order. Raises GatewayError alone."""

    def __init__(
        self,
        channel_id: str,
        organisations: Mapping[str, Endorser],
        definitions: Definitions,
        system: SystemChaincodes,
        state: StateStore,
        private: PrivateStore,
        membership: Membership,
        clock: Callable[[], datetime],
    ) -> None:
        self._channel_id = channel_id
        self._organisations = organisations
        self._definitions = definitions
        self._system = system
        self._state = state
        self._private = private
        self._membership = membership
        self._clock = clock
        self._planned: dict[tuple[tuple[Policy, ...], tuple[Policy, ...]], list[frozenset[str]]] = {}

    def evaluate(self, signed: Any, targets: Sequence[str]) -> Response:
        """The answer of the first organisation that can execute the proposal."""
        try:
            proposal = proposals.unpack(signed)
        except ProposalError as error:
            raise GatewayError(_CODE.INVALID_ARGUMENT, f"failed to unpack transaction proposal: {error}") from None
        if proposal.channel_id != self._channel_id:
            raise GatewayError(_CODE.UNAVAILABLE, f"failed to get config for channel [{proposal.channel_id[:64]}]")
        try:
            creator = self._check(proposal)
        except ProposalRefusedError as error:
            said = self._detail(self._preferred("")[0], str(error))
            raise GatewayError(_CODE.FAILED_PRECONDITION, f"{_EVALUATE}{error}", [said]) from None
        organisations = [each for each in targets or self._preferred(creator.msp_id) if each in self._organisations]
        if proposal.transient and not targets:
            organisations = [each for each in organisations if each == creator.msp_id]
            if not organisations:
                raise GatewayError(
                    _CODE.FAILED_PRECONDITION,
                    "no endorsers found in the gateway's organization; retry specifying target organization(s) to "
                    "protect transient data",
                )
        system = proposal.contract in self._system
        if not organisations or not (system or proposal.contract in self._definitions):
            raise GatewayError(
                _CODE.FAILED_PRECONDITION,
                f"no peers available to evaluate chaincode {proposal.contract[:64]} in channel {self._channel_id}",
            )
        if system:
            return self._passed(organisations[0], self._system.invoke(proposal, creator), [])
        with self._state.snapshot() as snapshot:
            return self._answer(proposal, creator, snapshot, organisations)

    def _answer(
        self, proposal: UnpackedProposal, creator: Identity, snapshot: Snapshot, organisations: Sequence[str]
    ) -> Response:
        details: list[Detail] = []
        for each in organisations:
            try:
                response = self._organisations[each].simulate(proposal, creator, snapshot).response
            except EndorserUnfitError as error:
                details.append(self._detail(each, str(error)))
                continue
            return self._passed(each, response, details)
        raise GatewayError(_CODE.ABORTED, "failed to evaluate transaction, see attached details for more info", details)

    def _passed(self, msp_id: str, response: Response, details: Sequence[Detail]) -> Response:
        if response.ok:
            return response
        said = _said(response)
        raise GatewayError(_CODE.UNKNOWN, f"{_EVALUATE}{said}", [*details, self._detail(msp_id, said)])

    def endorse(self, signed: Any, organisations: Sequence[str]) -> bytes:
        """The unsigned transaction's payload, endorsed by `organisations`, or by as many as the policies need.

        Its private data lies in the state's transient store until the transaction is committed.
        """
        try:
            proposal = proposals.unpack(signed)
        except ProposalError as error:
            raise GatewayError(_CODE.INVALID_ARGUMENT, str(error)) from None
        known = proposal.channel_id == self._channel_id and proposal.contract in self._definitions
        missing = [each for each in organisations if each not in self._organisations or not known]
        if missing:
            names = ", ".join(each[:64] for each in missing)
            raise GatewayError(_CODE.UNAVAILABLE, f"failed to find any endorsing peers for org(s): {names}")
        if proposal.channel_id != self._channel_id:
            raise GatewayError(_CODE.FAILED_PRECONDITION, f"{_NO_PLAN}: channel '{proposal.channel_id[:64]}' not found")
        if not known:
            raise GatewayError(
                _CODE.FAILED_PRECONDITION,
                f"{_NO_PLAN}: no metadata was found for chaincode {proposal.contract[:64]}",
            )
        try:
            creator = self._check(proposal)
        except ProposalRefusedError as error:
            raise GatewayError(
                _CODE.ABORTED, _NOT_ENDORSED, [self._detail(self._preferred("")[0], str(error))]
            ) from None
        with self._state.snapshot() as snapshot:
            height = snapshot.height
            round_ = _Round(proposal, creator, snapshot, self._organisations, self._detail)
            complete = round_.complete(dict.fromkeys(organisations)) if organisations else self._by_policy(round_)
        if complete is None:
            raise GatewayError(
                _CODE.ABORTED,
                "failed to collect enough transaction endorsements, see attached details for more info",
                round_.details,
            )
        if complete[0].private is not None:
            self._private.stage(proposal.transaction_id, complete[0].private, height)
        return proposals.assemble(proposal, complete[0].payload, [each.endorsement for each in complete])

    def process(self, signed: Any) -> Any:
        """One organisation's `protos.ProposalResponse`: that of the creator's own, or else of one that the contract's
        policy names.

        Where nothing is to be endorsed (rule 4, system chaincodes) there is no payload, and an endorsement without a
        signature: Fabric's command line takes no answer to a query that has none. Submitted, it reveals nothing.
        """
        try:
            proposal = proposals.unpack_at_endorser(signed)
            if proposal.channel_id not in ("", self._channel_id):
                return failed_response(f"channel '{proposal.channel_id[:64]}' not found")
            creator = self._check(proposal)
        except (ProposalError, ProposalRefusedError) as error:
            # What Fabric answers with an error that carries no code.
            raise GatewayError(_CODE.UNKNOWN, str(error)) from None
        if proposal.contract in self._system:
            endorser = self._organisations[self._preferred(creator.msp_id)[0]]
            response = self._system.invoke(proposal, creator)
            return _query_response(response, endorser if proposal.channel_id else None)
        if not proposal.channel_id or proposal.contract not in self._definitions:
            name = proposal.contract[:64]
            return failed_response(
                f"make sure the chaincode {name} has been successfully defined on channel {proposal.channel_id} and "
                f"try again: chaincode {name} not found"
            )
        endorser = self._organisations[self._first(proposal, creator)]
        try:
            with self._state.snapshot() as snapshot:
                height = snapshot.height
                simulated = endorser.simulate(proposal, creator, snapshot)
        except EndorserUnfitError as error:
            return failed_response(f"endorsing with plugin failed: {error}")
        response = simulated.response
        if not response.ok:
            payload = simulated.payload if response.status >= ERROR else b""
            return proposal_response_pb2.ProposalResponse(response=endorsers.message(response), payload=payload)
        if endorser.is_query(proposal):
            return _query_response(response, endorser)
        if simulated.private is not None:
            self._private.stage(proposal.transaction_id, simulated.private, height)
        return proposal_response_pb2.ProposalResponse(
            version=1,
            response=endorsers.message(response),
            payload=simulated.payload,
            endorsement=simulated.endorsement,
        )

    def _by_policy(self, round_: _Round) -> list[Simulated] | None:
        proposal = round_.proposal
        first_name = self._first(proposal, round_.creator)
        first = round_.simulate(first_name)
        if first is None:
            raise GatewayError(_CODE.ABORTED, _NOT_ENDORSED, round_.details)
        transient = bool(proposal.transient)
        touched = rwset.parse(first.public)
        needed = requirement(touched, self._definitions, transient=transient)
        plans = self._plans(needed)
        if not plans:
            if transient and self._plans(requirement(touched, self._definitions, transient=False)):
                raise GatewayError(
                    _CODE.FAILED_PRECONDITION,
                    "requires endorsement from organisation(s) that are not in the distribution policy of the private "
                    f"data collection(s): [{' '.join(needed.collections)}]; retry specifying trusted endorsing "
                    "organizations to protect transient data",
                )
            raise GatewayError(_CODE.FAILED_PRECONDITION, _NO_PLAN)
        # Stable: among those with and without the first organisation the smallest set stays in front.
        for plan in sorted(plans, key=lambda each: first_name not in each):
            if (complete := round_.complete(sorted(plan, key=lambda each: each != first_name))) is not None:
                return complete
        return None

    def _plans(self, needed: Requirement) -> list[frozenset[str]]:
        key = (needed.policies, needed.members_of)
        if key not in self._planned:
            members = [{each.msp_id for each in policy.principals} for policy in needed.members_of]
            allowed = [each for each in self._organisations if all(each in group for group in members)]
            # As many as there are combinations of the network's policies that its contracts need at once.
            self._planned[key] = policies.plan_all(needed.policies, allowed)
        return self._planned[key]

    def _first(self, proposal: UnpackedProposal, creator: Identity) -> str:
        if creator.msp_id in self._organisations:
            return creator.msp_id
        if proposal.transient:
            raise GatewayError(
                _CODE.FAILED_PRECONDITION,
                "no endorsers found in the gateway's organization; retry specifying endorsing organization(s) to "
                "protect transient data",
            )
        principals = self._definitions[proposal.contract].policy.principals
        return next(each.msp_id for each in principals if each.msp_id in self._organisations)

    def _preferred(self, msp_id: str) -> list[str]:
        """All organisations, this one first."""
        return sorted(self._organisations, key=lambda each: each != msp_id)

    def _check(self, proposal: UnpackedProposal) -> Identity:
        try:
            creator = endorsers.check(proposal, self._membership, self._clock())
        except ProposalRefusedError as error:
            raise ProposalRefusedError(f"error validating proposal: {error}") from None
        with self._state.snapshot() as snapshot:
            if proposal.channel_id and snapshot.transaction(proposal.transaction_id) is not None:
                raise ProposalRefusedError(f"duplicate transaction found [{proposal.transaction_id}]")
        return creator

    def _detail(self, msp_id: str, message: str) -> Detail:
        return Detail(self._organisations[msp_id].address, msp_id, message)


@dataclass
class _Round:
    """One proposal's executions on one snapshot. The first that succeeds sets the bytes that others must give."""

    proposal: UnpackedProposal
    creator: Identity
    snapshot: Snapshot
    organisations: Mapping[str, Endorser]
    detail: Callable[[str, str], Detail]
    results: dict[str, Simulated | None] = field(default_factory=dict)
    details: list[Detail] = field(default_factory=list)
    expected: bytes | None = None

    def simulate(self, msp_id: str) -> Simulated | None:
        """The organisation's endorsement; None, with a detail, where it has none to give. Executes once."""
        if msp_id not in self.results:
            self.results[msp_id] = self._simulate(msp_id)
        return self.results[msp_id]

    def complete(self, organisations: Iterable[str]) -> list[Simulated] | None:
        """All their endorsements, or None as soon as one fails."""
        collected: list[Simulated] = []
        for each in organisations:
            if (simulated := self.simulate(each)) is None:
                return None
            collected.append(simulated)
        return collected

    def _simulate(self, msp_id: str) -> Simulated | None:
        if self.organisations[msp_id].is_query(self.proposal):
            self.details.append(self.detail(msp_id, _said(_QUERY)))
            return None
        try:
            simulated = self.organisations[msp_id].simulate(self.proposal, self.creator, self.snapshot)
        except EndorserUnfitError as error:
            self.details.append(self.detail(msp_id, str(error)))
            return None
        if not simulated.response.ok:
            self.details.append(self.detail(msp_id, _said(simulated.response)))
            return None
        if self.expected is None:
            self.expected = simulated.payload
        if simulated.payload != self.expected:
            self.details.append(self.detail(msp_id, "ProposalResponsePayloads do not match"))
            return None
        return simulated


def failed_response(text: str) -> Any:
    """A `protos.ProposalResponse` of the peer itself, as Fabric's: status 500, no payload."""
    return proposal_response_pb2.ProposalResponse(response={"status": ERROR, "message": text})


def _query_response(response: Response, endorser: Endorser | None) -> Any:
    version, endorsement = (1, endorser.unsigned) if response.ok and endorser is not None else (0, None)
    return proposal_response_pb2.ProposalResponse(
        version=version, response=endorsers.message(response), endorsement=endorsement
    )


def _said(response: Response) -> str:
    return f"chaincode response {response.status}, {response.message}"
