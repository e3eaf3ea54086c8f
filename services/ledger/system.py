"""System chaincodes: they answer about the ledger itself. Evaluated, never endorsed: none of it is in a block."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from chaincode.api.stub import Response
from services.common.msp import Identity
from services.ledger import cscc, lifecycle, qscc
from services.ledger.channel import Channel
from services.ledger.proposal import UnpackedProposal

_CHAINCODES: Mapping[str, Callable[[Channel, UnpackedProposal, Identity], Response]] = {
    "qscc": qscc.invoke,
    "cscc": cscc.invoke,
    "_lifecycle": lifecycle.invoke,
}


class SystemChaincodes:
    """Those of one channel. `name in` says whether there is one of this name."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __contains__(self, name: str) -> bool:
        return name in _CHAINCODES

    def invoke(self, proposal: UnpackedProposal, creator: Identity) -> Response:
        """Answers a proposal that `endorser.check` has passed. Not to be called in a state's snapshot."""
        return _CHAINCODES[proposal.contract](self._channel, proposal, creator)
