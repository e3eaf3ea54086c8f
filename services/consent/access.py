"""Who may call the consent service. A consent service serves its own organisation's patients; that they ask about
themselves alone is checked by the servicer."""

from __future__ import annotations

from services.common.access import Access, roles

_SERVICE = "/salus.consent.v1.ConsentService"
_PATIENT = roles("patient", own_organisation=True)

ACCESS: Access = {
    f"{_SERVICE}/Grant": _PATIENT,
    f"{_SERVICE}/Revoke": _PATIENT,
    f"{_SERVICE}/Endorse": _PATIENT,
    f"{_SERVICE}/Submit": _PATIENT,
    f"{_SERVICE}/List": _PATIENT,
    f"{_SERVICE}/Evaluate": roles("clinician", "inference", "patient"),
    f"{_SERVICE}/ListUses": _PATIENT,
}
