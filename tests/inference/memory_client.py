"""`services.inference.ledger.Client` over the in-memory ledger, with the contracts in place: no network, no policy.

It raises what `LedgerClient` raises. A step in `down` cannot be reached; `silent` takes transactions without saying
what became of them; `before` is called once at the step that it names, so that a test can win a race there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from fabric_protos.peer import proposal_pb2

from services.ledger import proposal as proposals
from services.ledger.client import CommitStatusError, EndorseError, EvaluateError, LedgerUnavailableError
from services.ledger.proposal import Proposal, Transaction
from tests.chaincode.callers import Caller
from tests.chaincode.memory_ledger import CHANNEL, NOON, MemoryLedger, Simulation


class MemoryClient:
    """The gateway of `ledger`, as `caller` uses it."""

    def __init__(self, ledger: MemoryLedger, caller: Caller) -> None:
        self.ledger = ledger
        self.caller = caller
        self.down: set[str] = set()
        self.silent = False
        self.before: dict[str, Callable[[], object]] = {}
        self.commits: list[str] = []
        self._endorsed: dict[str, Simulation] = {}
        self._statuses: dict[str, tuple[str, int]] = {}
        self._nonce = 0

    def propose(
        self, contract: str, function: str, *args: bytes | str, transient: Mapping[str, bytes] | None = None
    ) -> Proposal:
        self._nonce += 1
        nonce = self._nonce.to_bytes(24, "big")
        return proposals.draft_proposal(
            CHANNEL, self.caller.creator, contract, function, args, transient or {}, nonce, NOON
        )

    async def evaluate(
        self,
        contract: str,
        function: str,
        *args: bytes | str,
        transient: Mapping[str, bytes] | None = None,
        organisations: Sequence[str] = (),
    ) -> bytes:
        self._reach("evaluate")
        response = self._simulate(self.propose(contract, function, *args, transient=transient)).response
        if not response.ok:
            raise EvaluateError("evaluate call failed", [f"chaincode response 500, {response.message}"])
        return response.payload

    async def endorse(
        self, proposal: Proposal, signature: bytes | None = None, organisations: Sequence[str] = ()
    ) -> Transaction:
        self._reach("endorse")
        simulation = self._simulate(proposal)
        if not simulation.response.ok:
            raise EndorseError("failed to endorse", [f"chaincode response 500, {simulation.response.message}"])
        self._endorsed[simulation.tx_id] = simulation
        return Transaction(simulation.tx_id, proposal.payload, simulation.response.payload)

    async def submit_transaction(self, transaction: Transaction, signature: bytes | None = None) -> None:
        self._reach("submit")
        code = self.ledger.commit(self._endorsed[transaction.transaction_id])
        self.commits.append(code)
        self._statuses[transaction.transaction_id] = code, self.ledger.height

    async def commit_status(self, transaction_id: str, deadline: float | None = None) -> tuple[str, int]:
        self._reach("commit_status")
        if self.silent:
            raise CommitStatusError("context deadline exceeded")
        return self._statuses[transaction_id]

    def _simulate(self, proposal: Proposal) -> Simulation:
        unpacked = proposals.unpack(proposal_pb2.SignedProposal(proposal_bytes=proposal.payload))
        return self.ledger.simulate(
            unpacked.creator, unpacked.contract, *unpacked.args, transient=unpacked.transient, at=unpacked.timestamp
        )

    def _reach(self, step: str) -> None:
        if action := self.before.pop(step, None):
            action()
        if step in self.down:
            raise LedgerUnavailableError("the ledger cannot be reached", 0.5)
