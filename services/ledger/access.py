"""Who may call the ledger.

Members transact. Blocks and events, which show what everybody writes, go to those who audit. Private data by the block
goes past the contracts' own rules of who reads what: to the organisations' nodes alone, each its own collections'.
"""

from __future__ import annotations

from services.common.access import Access, anyone, roles

# Whoever has one of these roles sees blocks, also through `qscc`.
BLOCK_READERS = ("admin", "audit", "inspector", "ledger")
_AUDITORS = roles(*BLOCK_READERS)

_NODES = roles("ledger")

ACCESS: Access = {
    "/gateway.Gateway/Evaluate": anyone(),
    "/gateway.Gateway/Endorse": anyone(),
    "/gateway.Gateway/Submit": anyone(),
    "/gateway.Gateway/CommitStatus": anyone(),
    "/gateway.Gateway/ChaincodeEvents": _AUDITORS,
    "/protos.Endorser/ProcessProposal": anyone(),
    "/protos.Deliver/Deliver": _AUDITORS,
    "/protos.Deliver/DeliverFiltered": _AUDITORS,
    "/protos.Deliver/DeliverWithPrivateData": _NODES,
}
