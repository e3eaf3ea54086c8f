"""Who may call the audit service."""

from __future__ import annotations

from services.common.access import Access, anyone, roles

SERVICE = "salus.audit.v1.AuditService"

ACCESS: Access = {
    f"/{SERVICE}/SearchDecisions": roles("inspector", own_organisation=True),
    f"/{SERVICE}/Export": roles("inspector", own_organisation=True),
    f"/{SERVICE}/GetCheckpoint": anyone(),
}
