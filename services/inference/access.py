"""Who may call the inference service."""

from __future__ import annotations

from services.common.access import Access, anyone, roles

_SERVICE = "/salus.inference.v1.InferenceService"

ACCESS: Access = {
    f"{_SERVICE}/Diagnose": roles("clinician", own_organisation=True),
    f"{_SERVICE}/DiagnoseBatch": roles("clinician", own_organisation=True),
    f"{_SERVICE}/GetDecision": roles("clinician", own_organisation=True),
    f"{_SERVICE}/ListModels": anyone(),
    f"{_SERVICE}/DescribeModel": anyone(),
}
