"""Who may call the ledger. Members transact; blocks, which show everybody's public writes, go to those who audit."""

from __future__ import annotations

from services.common.access import Access, anyone, roles

# Whoever has one of these roles sees blocks, also through `qscc`.
BLOCK_READERS = ("admin", "audit", "inspector", "ledger")
_AUDITORS = roles(*BLOCK_READERS)

ACCESS: Access = {
    "/gateway.Gateway/Evaluate": anyone(),
    "/gateway.Gateway/Endorse": anyone(),
    "/gateway.Gateway/Submit": anyone(),
    "/gateway.Gateway/CommitStatus": anyone(),
    "/gateway.Gateway/ChaincodeEvents": _AUDITORS,
    "/protos.Endorser/ProcessProposal": anyone(),
    "/protos.Deliver/Deliver": _AUDITORS,
    "/protos.Deliver/DeliverFiltered": _AUDITORS,
    "/protos.Deliver/DeliverWithPrivateData": _AUDITORS,
}
