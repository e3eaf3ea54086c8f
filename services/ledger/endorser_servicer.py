"""`protos.Endorser`: one organisation's answer to a proposal, as Fabric's peers give it (core/endorser).

What is wrong with the proposal itself ends the call with UNKNOWN and Fabric's text. What goes wrong later, and what the
contract refuses, is a `ProposalResponse` of status 400 or more; without a payload it is not the contract's own word.
"""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
from fabric_protos.peer import peer_pb2_grpc
from grpc_status import rpc_status

from services.ledger.endorsement import Endorsing, failed_response
from services.ledger.faults import GatewayError
from services.ledger.workers import Workers, WorkersBusyError, WorkTimeoutError

_RETRY_SECONDS = 1.0


class EndorserServicer(peer_pb2_grpc.EndorserServicer):
    """The gRPC edge."""

    def __init__(self, endorsing: Endorsing, workers: Workers) -> None:
        self._endorsing = endorsing
        self._workers = workers

    async def ProcessProposal(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        try:
            return await self._workers.run(self._endorsing.process, request)
        except WorkTimeoutError:
            return failed_response("error in simulation: timeout expired while executing transaction")
        except WorkersBusyError as busy:
            error = GatewayError(
                grpc.StatusCode.RESOURCE_EXHAUSTED, f"the ledger is busy: {busy}", retry_after=_RETRY_SECONDS
            )
        except GatewayError as refused:
            error = refused
        return await context.abort_with_status(rpc_status.to_status(error.status()))
