"""A ledger without its services, for tests: real certificates, stores and blocks, one step at a time."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2

from chaincode.api.stub import ChaincodeStub, Response
from services.common.msp import Membership, MembershipFolder
from services.common.signer import Signer
from services.ledger import blocks, proposal, recovery, validation
from services.ledger.blockstore import BlockStore
from services.ledger.definitions import Collection, ContractDefinition, Definitions
from services.ledger.policy import parse
from services.ledger.private import LmdbPrivateStore
from services.ledger.proposal import UnpackedProposal
from services.ledger.simulator import SimulationResult
from services.ledger.state import LmdbState
from services.ledger.transactions import Code
from tests.organisations import Organisations

HOSPITAL_A, HOSPITAL_B, REGULATOR, ORDERER = "HospitalAMSP", "HospitalBMSP", "RegulatorMSP", "OrdererMSP"
MAP_BYTES = 1 << 22

SECRETS = Collection(
    "secrets",
    parse("OR('HospitalAMSP.member', 'RegulatorMSP.member')"),
    member_only_read=True,
    member_only_write=True,
)
DEFINITIONS: Definitions = {
    "notes": ContractDefinition(
        "notes", "1.0", parse("AND('HospitalAMSP.peer', 'RegulatorMSP.peer')"), {"secrets": SECRETS}
    ),
    "echo": ContractDefinition("echo", "1.0", parse("OR('HospitalBMSP.peer')")),
}


def no_call(contract: str, stub: ChaincodeStub) -> Response:
    raise AssertionError(f"{contract} was called")


class Chain:
    """Stores below `folder`, opened and caught up; `reopen` does so again."""

    def __init__(self, organisations: Organisations, folder: Path, definitions: Definitions = DEFINITIONS) -> None:
        self.organisations, self.folder, self.definitions = organisations, folder, definitions
        self.membership: Membership = MembershipFolder(organisations.msp_root, time.monotonic)
        organisations.enrol(ORDERER, "orderer", node_ou="orderer")
        organisations.enrol(HOSPITAL_A, "alice")
        for msp_id in (HOSPITAL_A, HOSPITAL_B, REGULATOR):
            organisations.enrol(msp_id, "peer", node_ou="peer")
        self._open()

    def _open(self) -> None:
        self.blocks = BlockStore(self.folder / "blocks")
        self.private = LmdbPrivateStore(self.folder / "private", map_bytes=MAP_BYTES)
        self.state = LmdbState(self.folder / "state", map_bytes=MAP_BYTES)
        self.caught_up = recovery.catch_up(self.state, self.blocks, self.private)

    def close(self) -> None:
        for store in (self.blocks, self.private, self.state):
            store.close()

    def reopen(self) -> None:
        self.close()
        self._open()

    @property
    def alice(self) -> Signer:
        return self.organisations.signer(HOSPITAL_A, "alice")

    def peer(self, msp_id: str) -> Signer:
        return self.organisations.signer(msp_id, "peer")

    def propose(
        self, contract: str = "notes", transient: Mapping[str, bytes] | None = None, creator: Signer | None = None
    ) -> UnpackedProposal:
        creator = creator or self.alice
        draft = proposal.draft_proposal(
            "salus", creator.serialized, contract, "Do", [], transient or {}, secrets.token_bytes(24), datetime.now(UTC)
        )
        signed = proposal_pb2.SignedProposal(proposal_bytes=draft.payload, signature=creator.sign(draft.payload))
        return proposal.unpack(signed)

    def envelope(
        self,
        proposed: UnpackedProposal,
        result: SimulationResult,
        endorsers: Iterable[Signer],
        creator: Signer | None = None,
        version: str = "1.0",
    ) -> bytes:
        """The endorsed and signed transaction; its private data is staged."""
        action = proposal_pb2.ChaincodeAction(
            results=result.public,
            events=result.event,
            chaincode_id=chaincode_pb2.ChaincodeID(name=proposed.contract, version=version),
            response=proposal_response_pb2.Response(status=200),
        )
        response = proposal_response_pb2.ProposalResponsePayload(
            proposal_hash=proposed.digest, extension=action.SerializeToString()
        ).SerializeToString()
        endorsements = [
            proposal_response_pb2.Endorsement(endorser=each.serialized, signature=each.sign(response + each.serialized))
            for each in endorsers
        ]
        payload = proposal.assemble(proposed, response, endorsements)
        if result.private is not None:
            self.private.stage(proposed.transaction_id, result.private, self.state.height)
        signature = (creator or self.alice).sign(payload)
        return bytes(proposal.envelope(payload, signature).SerializeToString())

    def rules(self) -> validation.Rules:
        return validation.Rules("salus", self.membership, self.definitions, ORDERER)

    def build(self, envelopes: Sequence[bytes]) -> object:
        orderer = self.organisations.signer(ORDERER, "orderer")
        block = blocks.build(self.blocks.height, self.blocks.last_header_hash, envelopes)
        blocks.sign(block, orderer.serialized, secrets.token_bytes(24), orderer.sign, 0)
        return block

    def cut(self, *envelopes: bytes) -> list[str]:
        """Commits a block of these; answers the names of the codes."""
        block = self.build(envelopes)
        with self.state.snapshot() as snapshot:
            codes = validation.validate(block, snapshot, self.rules(), datetime.now(UTC))
        recovery.commit(block, codes, block_store=self.blocks, private_store=self.private, state=self.state)
        return [Code.Name(code) for code in codes]
