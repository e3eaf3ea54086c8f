"""Messages and the contract's values are the same thing said twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from salus.consent.v1 import consent_pb2

from chaincode.core.provision import Actor, Provision, ProvisionError, Type
from services.consent import conversion

words = st.sampled_from(["cytology", "imaging", "laboratory", "breast-cancer", "vital-signs"])
times = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
actors = st.sampled_from(
    [Actor(), Actor("HospitalAMSP"), Actor("HospitalAMSP", "clinician", "dr-adams"), Actor("", "clinician")]
)


@st.composite
def rules(draw: st.DrawFn) -> Provision:
    start = draw(st.none() | times)
    end = draw(st.none() | times.filter(lambda each: start is None or each > start))
    return Provision(
        type=draw(st.sampled_from(Type)),
        actor=draw(actors),
        data_classes=draw(st.frozensets(words)),
        purposes=draw(st.frozensets(st.sampled_from(["TREAT", "HRESCH", "ETREAT"]))),
        start=start,
        end=end,
        models=draw(st.frozensets(words)),
    )


@given(rules())
def test_a_rule_survives_the_way_through_a_message(rule: Provision) -> None:
    message = consent_pb2.Provision.FromString(conversion.write_provision(rule).SerializeToString())
    assert conversion.read_provision(message) == rule


def test_a_rule_without_a_type_is_refused_by_name() -> None:
    message = consent_pb2.Provision(purposes=["TREAT"])
    with pytest.raises(ProvisionError, match=r"provisions\[0\]\.type must be permit or deny"):
        conversion.read_provisions([message])


def test_a_grant_takes_1_to_32_rules() -> None:
    for count in (0, 33):
        rules = [consent_pb2.Provision(type=consent_pb2.PROVISION_TYPE_PERMIT)] * count
        with pytest.raises(ProvisionError, match="1 to 32"):
            conversion.read_provisions(rules)


def test_a_time_beyond_the_calendar_is_refused() -> None:
    message = consent_pb2.Provision(type=consent_pb2.PROVISION_TYPE_PERMIT)
    message.period.end.seconds = 2**62
    with pytest.raises(ProvisionError, match=r"period\.end is no date"):
        conversion.read_provision(message)


def test_a_period_that_ends_before_it_starts_is_refused() -> None:
    message = consent_pb2.Provision(type=consent_pb2.PROVISION_TYPE_PERMIT)
    now = datetime(2026, 3, 1, tzinfo=UTC)
    message.period.start.FromDatetime(now)
    message.period.end.FromDatetime(now - timedelta(days=1))
    with pytest.raises(ProvisionError, match="period"):
        conversion.read_provision(message)


def test_a_consent_of_the_ledger_becomes_a_message() -> None:
    row = {
        "id": "c1",
        "patient": "a" * 32,
        "status": "revoked",
        "provisions": [{"type": "permit", "purposes": ["TREAT"]}],
        "granted": "2026-03-01T10:00:00.000000Z",
        "revoked": "2026-03-02T10:00:00.000000Z",
        "commitment": "f" * 64,
    }
    message = conversion.write_consent(row)
    assert message.status == consent_pb2.CONSENT_STATUS_REVOKED
    assert message.provisions[0].purposes == ["TREAT"]
    assert message.revoked.ToDatetime(tzinfo=UTC) == datetime(2026, 3, 2, 10, tzinfo=UTC)


def test_a_use_of_the_ledger_becomes_a_message() -> None:
    row = {
        "decision_id": "d" * 32,
        "time": "2026-03-01T10:00:00.000000Z",
        "requester": {"organisation": "HospitalAMSP", "role": "clinician", "person": "dr-adams"},
        "model_id": "breast-cancer",
        "data_class": "cytology",
        "purpose": "ETREAT",
        "answered": True,
        "basis": "emergency",
        "consent_id": "",
        "emergency_reason": "unconscious",
        "transaction_id": "e" * 64,
    }
    message = conversion.write_use(row)
    assert message.basis == consent_pb2.BASIS_EMERGENCY
    assert message.requester.person == "dr-adams"
    assert message.emergency_reason == "unconscious"
