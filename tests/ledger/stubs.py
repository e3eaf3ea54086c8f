"""The stub suite's ledger on the real state: simulate on a snapshot, commit a block of one. Nothing is signed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from fabric_protos.msp import identities_pb2
from fabric_protos.peer import chaincode_pb2, proposal_pb2, proposal_response_pb2

from chaincode.api.stub import ChaincodeStub, Response
from chaincode.core import certificate
from chaincode.runtime.inprocess import invoke
from services.common.msp import Identity
from services.ledger import blocks, mvcc, proposal
from services.ledger.proposal import UnpackedProposal
from services.ledger.rwset import parse, parse_private
from services.ledger.simulator import Simulator
from services.ledger.state import LmdbState
from services.ledger.transactions import Code
from services.ledger.updates import collect
from tests.chaincode.callers import HOSPITAL_A, caller
from tests.chaincode.memory_ledger import NOON
from tests.chaincode.stub_suite import EchoContract
from tests.ledger.chain import DEFINITIONS


def identity(serialized: bytes) -> Identity:
    """A caller's identity, trusted without its chain."""
    message = identities_pb2.SerializedIdentity.FromString(serialized)
    view = certificate.parse(message.id_bytes)
    return Identity(message.mspid, view, frozenset({"member", *view.node_ous}), serialized)


class Ledger:
    """State alone. `begin` and `commit` are what `tests.chaincode.stub_suite` asks for."""

    def __init__(self, folder: Path) -> None:
        self.state = LmdbState(folder / "state", map_bytes=1 << 22)
        self._snapshots = ExitStack()

    def close(self) -> None:
        self._snapshots.close()
        self.state.close()

    def propose(
        self, creator: bytes, *args: str | bytes, transient: Mapping[str, bytes] | None = None
    ) -> UnpackedProposal:
        function, *rest = args or ("Do",)
        name = function if isinstance(function, str) else function.decode()
        draft = proposal.draft_proposal(
            "salus", creator, "notes", name, rest, transient or {}, secrets.token_bytes(24), NOON
        )
        return proposal.unpack(proposal_pb2.SignedProposal(proposal_bytes=draft.payload))

    def begin(
        self,
        creator: bytes,
        *args: str | bytes,
        transient: Mapping[str, bytes] | None = None,
        endorser: str = HOSPITAL_A,
        proposal: UnpackedProposal | None = None,
    ) -> Simulator:
        return Simulator(
            self._snapshots.enter_context(self.state.snapshot()),
            proposal or self.propose(creator, *args, transient=transient),
            creator=identity(creator),
            endorser=identity(caller(endorser, "peer", "", "peer").creator),
            definitions=DEFINITIONS,
            call=_call,
        )

    def commit(self, stub: ChaincodeStub, *, private: bool = True) -> str:
        assert isinstance(stub, Simulator)
        result = stub.results()
        with self.state.snapshot() as snapshot:
            codes = mvcc.check(snapshot.height, [parse(result.public)], snapshot)
            block = blocks.build(snapshot.height, b"", [_envelope(stub, result.public)])
        cleartext = parse_private(result.private) if result.private and private else ()
        self.state.apply(collect(block, codes, {0: cleartext}))
        return str(Code.Name(codes[0]))


def _call(contract: str, stub: ChaincodeStub) -> Response:
    assert contract == "echo"
    return invoke(EchoContract(), stub)


def _envelope(stub: Simulator, results: bytes) -> bytes:
    unpacked = proposal.unpack(stub.get_signed_proposal())
    action = proposal_pb2.ChaincodeAction(
        results=results, chaincode_id=chaincode_pb2.ChaincodeID(name=unpacked.contract, version="1.0")
    )
    response = proposal_response_pb2.ProposalResponsePayload(
        proposal_hash=unpacked.digest, extension=action.SerializeToString()
    )
    payload = proposal.assemble(unpacked, response.SerializeToString(), [])
    return bytes(proposal.envelope(payload, b"unsigned").SerializeToString())
