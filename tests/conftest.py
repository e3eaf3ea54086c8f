"""Fixtures that every part shares."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.organisations import MSP_IDS, Organisation, Organisations


@pytest.fixture(scope="session")
def authorities() -> dict[str, Organisation]:
    return {msp_id: Organisation.create(msp_id) for msp_id in MSP_IDS}


@pytest.fixture
def organisations(tmp_path: Path, authorities: dict[str, Organisation]) -> Organisations:
    """HospitalAMSP, HospitalBMSP, RegulatorMSP and OrdererMSP with nobody enrolled yet."""
    fresh = {msp_id: Organisation(msp_id, each.ca, each.tls_ca) for msp_id, each in authorities.items()}
    return Organisations(tmp_path / "network", fresh)
