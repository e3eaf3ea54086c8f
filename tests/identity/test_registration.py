"""Who may be registered as what, and one-time secrets."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity import registration
from services.identity.registration import ROLES, Registration

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OUS = ("client", "peer", "admin", "orderer")


@pytest.mark.parametrize("role", sorted(ROLES))
@pytest.mark.parametrize("node_ou", OUS)
def test_only_ledger_roles_are_peers_and_only_admins_are_admins(role: str, node_ou: str) -> None:
    allowed = node_ou == "client" or (role == "ledger" and node_ou in ("peer", "orderer")) or role == node_ou
    found = registration.violations("0" * 32, node_ou, role, {})
    assert (found == []) == allowed


@given(st.text(max_size=200))
def test_an_enrolment_id_is_accepted_exactly_in_its_form(enrolment_id: str) -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
    good = 1 <= len(enrolment_id) <= 128 and set(enrolment_id) <= set(letters)
    assert (registration.violations(enrolment_id, "client", "clinician", {}) == []) == good


@pytest.mark.parametrize("key", ["role", "hf.Type", "", "a b", "x" * 65])
def test_attributes_that_the_authority_sets_or_that_have_no_form_are_refused(key: str) -> None:
    fields = [name for name, _ in registration.violations("dr-adams", "client", "clinician", {key: "v"})]
    assert set(fields) == {"attributes"}


def test_every_violation_is_named() -> None:
    found = registration.violations("", "peer", "surgeon", {str(n): "v" for n in range(17)})
    assert [name for name, _ in found] == ["enrolment_id", "role", "attributes"]


def test_a_secret_opens_its_own_registration_until_it_expires_or_is_revoked() -> None:
    secret = registration.secret_text(bytes(range(32)))
    hashed = registration.secret_hash(secret)
    registered = Registration("HospitalAMSP", "dr-adams", "client", "clinician", {}, hashed, NOW)
    before = NOW - timedelta(seconds=1)
    assert registration.opens(registered, secret, before)
    assert not registration.opens(registered, secret + "A", before)
    assert not registration.opens(registered, secret, NOW)
    assert not registration.opens(replace(registered, revoked=True), secret, before)
    assert not registration.opens(None, secret, before)
