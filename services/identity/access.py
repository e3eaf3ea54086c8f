"""Who may call the identity service over mutual TLS. Callers act on their own organisation only."""

from __future__ import annotations

from services.common.access import Access, anyone, roles

_SERVICE = "/salus.identity.v1.IdentityService"

ACCESS: Access = {
    f"{_SERVICE}/Register": roles("admin", "registrar"),
    f"{_SERVICE}/Reenrol": anyone(),
    f"{_SERVICE}/Revoke": roles("admin", "registrar"),
    f"{_SERVICE}/GetCrl": anyone(),
    f"{_SERVICE}/ListOrganisations": anyone(),
    f"{_SERVICE}/ListRegistrations": roles("admin", "registrar"),
    f"{_SERVICE}/GetPseudonym": roles("admin", "registrar", "clinician"),
    f"{_SERVICE}/ErasePseudonym": roles("admin", "registrar"),
}
