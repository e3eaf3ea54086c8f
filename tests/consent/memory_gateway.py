"""`gateway.Gateway` over the in-memory ledger: what the consent service and the command line are tested against.

It speaks the wire protocol and keeps MVCC; it checks no signature and no policy, which the ledger's own tests do.
`before_commit` runs between endorsement and commit, so that a test can lose a race.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.peer import proposal_pb2, proposal_response_pb2, transaction_pb2
from grpc_status import rpc_status

from chaincode.runtime.inprocess import invoke
from services.common.errors import StatusError
from services.ledger import proposal as proposals
from services.ledger.faults import Detail, GatewayError
from tests.chaincode.memory_ledger import MemoryLedger, Simulation


class MemoryGateway(gateway_pb2_grpc.GatewayServicer):  # type: ignore[misc]  # fabric_protos is untyped
    """`reachable` False answers UNAVAILABLE to everything."""

    def __init__(self, ledger: MemoryLedger) -> None:
        self.ledger = ledger
        self.reachable = True
        self.before_commit: Callable[[], None] = lambda: None
        self.codes: dict[str, str] = {}
        self._endorsed: dict[str, Simulation] = {}

    async def Evaluate(self, request: Any, context: Any) -> Any:
        simulation = await self._simulate(request.proposed_transaction, context, grpc.StatusCode.UNKNOWN)
        return gateway_pb2.EvaluateResponse(result={"status": 200, "payload": simulation.response.payload})

    async def Endorse(self, request: Any, context: Any) -> Any:
        simulation = await self._simulate(request.proposed_transaction, context, grpc.StatusCode.ABORTED)
        unpacked = proposals.unpack(request.proposed_transaction)
        self._endorsed[unpacked.transaction_id] = simulation
        action = proposal_pb2.ChaincodeAction(response={"status": 200, "payload": simulation.response.payload})
        response = proposal_response_pb2.ProposalResponsePayload(
            proposal_hash=unpacked.digest, extension=action.SerializeToString()
        )
        payload = proposals.assemble(unpacked, response.SerializeToString(), [])
        return gateway_pb2.EndorseResponse(prepared_transaction=common_pb2.Envelope(payload=payload))

    async def Submit(self, request: Any, context: Any) -> Any:
        self._check_reachable()
        name = request.transaction_id
        self.before_commit()
        self.codes.setdefault(name, self.ledger.commit(self._endorsed[name]))
        return gateway_pb2.SubmitResponse()

    async def CommitStatus(self, request: Any, context: Any) -> Any:
        self._check_reachable()
        name = gateway_pb2.CommitStatusRequest.FromString(request.request).transaction_id
        code = transaction_pb2.TxValidationCode.Value(self.codes[name])
        return gateway_pb2.CommitStatusResponse(result=code, block_number=self.ledger.height)

    async def _simulate(self, signed: Any, context: Any, code: grpc.StatusCode) -> Simulation:
        self._check_reachable()
        unpacked = proposals.unpack(signed)
        stub = self.ledger.begin(
            unpacked.creator, unpacked.contract, *unpacked.args, transient=unpacked.transient, at=unpacked.timestamp
        )
        stub.simulation.tx_id = unpacked.transaction_id
        stub.simulation.signed_proposal = signed
        response = stub.simulation.response = invoke(self.ledger.contracts[unpacked.contract], stub)
        if not response.ok:
            message = f"chaincode response {response.status}, {response.message}"
            error = GatewayError(code, "failed", [Detail("memory", "HospitalAMSP", message)])
            await context.abort_with_status(rpc_status.to_status(error.status()))
        return stub.simulation

    def _check_reachable(self) -> None:
        if not self.reachable:
            raise StatusError(grpc.StatusCode.UNAVAILABLE, "UNREACHABLE", "down")
