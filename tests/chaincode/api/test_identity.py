"""The client identity is what the creator's certificate says."""

from __future__ import annotations

import pytest

from chaincode.api import identity
from chaincode.api.errors import ContractError
from tests.chaincode.callers import HOSPITAL_A, caller


def test_the_organisation_name_and_role_come_from_the_creator() -> None:
    client = identity.parse(caller(HOSPITAL_A, "alice", "clinician").creator)
    assert (client.msp_id, client.enrolment_id, client.role) == (HOSPITAL_A, "alice", "clinician")


def test_an_attribute_that_is_as_asserted_passes() -> None:
    identity.parse(caller(HOSPITAL_A, "alice", "clinician").creator).assert_attribute_value("role", "clinician")


def test_an_attribute_that_differs_is_denied() -> None:
    with pytest.raises(ContractError, match="ACCESS_DENIED"):
        identity.parse(caller(HOSPITAL_A, "alice", "clinician").creator).assert_attribute_value("role", "patient")


@pytest.mark.parametrize("creator", [b"", b"\xff\xff", b"\x0a\x01A\x12\x03pem"])
def test_a_creator_that_is_no_certificate_is_refused(creator: bytes) -> None:
    with pytest.raises(ContractError, match="BAD_CREATOR"):
        identity.parse(creator)
