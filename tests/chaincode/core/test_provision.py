from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaincode.core.provision import (
    EMERGENCY_PURPOSES,
    PURPOSES,
    Actor,
    Basis,
    Consent,
    Provision,
    ProvisionError,
    Type,
    Use,
    Verdict,
    evaluate,
    parse,
    parse_actor,
    parse_provision,
    provision_json,
)

PATIENT = "0123456789abcdef0123456789abcdef"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DOCTOR = Actor("HospitalAMSP", "clinician", "dr-a")
USE = Use(DOCTOR, "cytology", "TREAT", "breast-cancer")
EMERGENCY_USE = replace(USE, purpose="ETREAT", emergency_reason="Unconscious on arrival.")

# Two words of each kind, so that random rules and uses meet often.
ORGANISATIONS, ROLES, PEOPLE = ("HospitalAMSP", "HospitalBMSP"), ("clinician", "nurse"), ("dr-a", "dr-b")
CLASSES, MODELS, CODES = ("cytology", "imaging"), ("breast-cancer", "news2"), ("TREAT", "HRESCH", "ETREAT")
TIMES = st.sampled_from([NOON - HOUR, NOON, NOON + HOUR])


def some(values: tuple[str, ...]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(st.sampled_from(values), max_size=len(values))


ACTORS = st.builds(
    Actor, st.sampled_from(("", *ORGANISATIONS)), st.sampled_from(("", *ROLES)), st.sampled_from(("", *PEOPLE))
).filter(lambda actor: bool(actor.organisation or not actor.person))
RULES = st.builds(
    Provision,
    type=st.sampled_from(Type),
    actor=ACTORS,
    data_classes=some(CLASSES),
    purposes=some(CODES),
    start=st.none() | TIMES,
    end=st.none() | TIMES,
    models=some(MODELS),
).filter(lambda rule: rule.start is None or rule.end is None or rule.start < rule.end)
CONSENTS = st.lists(
    st.builds(
        Consent,
        id=st.uuids().map(str),
        patient=st.just(PATIENT),
        provisions=st.lists(RULES, min_size=1, max_size=3).map(tuple),
        active=st.booleans(),
        commitment=st.just("c" * 64),
    ),
    max_size=4,
)
USES = st.builds(
    Use,
    actor=st.builds(Actor, st.sampled_from(ORGANISATIONS), st.sampled_from(ROLES), st.sampled_from(PEOPLE)),
    data_class=st.sampled_from(CLASSES),
    purpose=st.sampled_from(CODES),
    model=st.sampled_from(MODELS),
    emergency_reason=st.sampled_from(("", " ", "Unconscious.")),
)


def consent(*rules: Provision, **changes: Any) -> Consent:
    return replace(Consent("consent-1", PATIENT, rules, commitment="c" * 64), **changes)


def permit(**limits: Any) -> Provision:
    return Provision(Type.PERMIT, **limits)


def deny(**limits: Any) -> Provision:
    return Provision(Type.DENY, **limits)


def permitted(*rules: Provision, use: Use = USE, at: datetime = NOON) -> bool:
    return evaluate([consent(*rules)], use, at).permitted


def oracle(consents: list[Consent], use: Use, at: datetime) -> bool:
    """The rules once more, as a patient would read them: the first layer of specificity that speaks, decides."""
    rules = [rule for each in consents if each.active for rule in each.provisions]
    spoken: set[Type] = set()
    for who, model, data_class, purpose in product(range(3, -1, -1), *[(True, False)] * 3):
        layer = [
            rule
            for rule in rules
            if (3 if rule.actor.person else sum(map(bool, (rule.actor.organisation, rule.actor.role)))) == who
            and (bool(rule.models), bool(rule.data_classes), bool(rule.purposes)) == (model, data_class, purpose)
        ]
        spoken = {rule.type for rule in layer if speaks(rule, use, at)}
        if spoken:
            break
    if Type.DENY in spoken:
        return False
    if use.purpose in EMERGENCY_PURPOSES:
        return use.actor.role == "clinician" and use.emergency_reason.strip() != ""
    return Type.PERMIT in spoken


def speaks(rule: Provision, use: Use, at: datetime) -> bool:
    if not rule.purposes and use.purpose in EMERGENCY_PURPOSES:
        return False
    if (rule.start and at < rule.start) or (rule.end and rule.end <= at):
        return False
    limits = [
        (rule.actor.organisation, use.actor.organisation),
        (rule.actor.role, use.actor.role),
        (rule.actor.person, use.actor.person),
    ]
    named = [(rule.data_classes, use.data_class), (rule.purposes, use.purpose), (rule.models, use.model)]
    return all(limit in ("", value) for limit, value in limits) and all(
        not names or one in names for names, one in named
    )


@given(CONSENTS, USES, TIMES)
def test_the_answer_is_the_one_the_rules_read_out_loud_give(consents: list[Consent], use: Use, at: datetime) -> None:
    assert evaluate(consents, use, at).permitted == oracle(consents, use, at)


@given(CONSENTS, USES, TIMES, st.randoms(use_true_random=False))
def test_the_order_of_consents_and_rules_does_not_matter(
    consents: list[Consent], use: Use, at: datetime, random: Any
) -> None:
    shuffled = [
        replace(each, provisions=tuple(random.sample(each.provisions, len(each.provisions)))) for each in consents
    ]
    random.shuffle(shuffled)
    assert evaluate(shuffled, use, at) == evaluate(consents, use, at)


@given(CONSENTS, RULES, USES, TIMES)
def test_one_more_denial_never_permits(consents: list[Consent], rule: Provision, use: Use, at: datetime) -> None:
    denying = consent(replace(rule, type=Type.DENY), id="one-more")
    assert not evaluate([*consents, denying], use, at).permitted or evaluate(consents, use, at).permitted


@given(CONSENTS, USES, TIMES)
def test_revoked_consents_are_as_if_they_were_not_there(consents: list[Consent], use: Use, at: datetime) -> None:
    assert evaluate(consents, use, at) == evaluate([each for each in consents if each.active], use, at)


@given(CONSENTS, USES, TIMES)
def test_a_verdict_names_a_consent_only_if_that_consent_decided(
    consents: list[Consent], use: Use, at: datetime
) -> None:
    verdict = evaluate(consents, use, at)
    assert verdict.permitted == (verdict.basis in (Basis.CONSENT, Basis.EMERGENCY))
    assert bool(verdict.consent_id) == bool(verdict.commitment) == (verdict.basis in (Basis.CONSENT, Basis.DENIED))
    if verdict.consent_id:
        (named,) = [each for each in consents if each.id == verdict.consent_id]
        assert evaluate([named], use, at) == verdict


@given(RULES)
def test_a_rule_reads_back_as_itself(rule: Provision) -> None:
    assert parse_provision(json.loads(json.dumps(provision_json(rule)))) == rule


def test_without_consent_the_answer_is_no_and_says_what_to_do() -> None:
    assert evaluate([], USE, NOON) == Verdict(
        permitted=False,
        basis=Basis.NO_CONSENT,
        reason="The patient has granted HospitalAMSP no consent in force for purpose TREAT on cytology data; ask the "
        "patient for consent, or use emergency access (ETREAT) with a reason.",
    )


@given(CONSENTS, USES, TIMES)
def test_no_reason_names_a_person_or_a_consent(consents: list[Consent], use: Use, at: datetime) -> None:
    reason = evaluate(consents, use, at).reason
    assert reason.endswith(".")
    assert not any(secret in reason for secret in (PATIENT, *PEOPLE, *(each.id for each in consents)))


def test_a_period_begins_at_its_start_and_is_over_at_its_end() -> None:
    rule = permit(start=NOON, end=NOON + HOUR)
    moment = timedelta(microseconds=1)
    times = [NOON - moment, NOON, NOON + HOUR - moment, NOON + HOUR]
    assert [permitted(rule, at=at) for at in times] == [False, True, True, False]


@pytest.mark.parametrize(
    ("specific", "general"),
    [
        (Actor("HospitalAMSP", "", "dr-a"), Actor("HospitalAMSP", "clinician")),
        (Actor("HospitalAMSP", "clinician"), Actor("HospitalAMSP")),
        (Actor("HospitalAMSP", "clinician"), Actor("", "clinician")),
        (Actor("HospitalAMSP"), Actor()),
        (Actor("", "clinician"), Actor()),
    ],
)
def test_the_rule_about_the_narrower_actor_decides(specific: Actor, general: Actor) -> None:
    broad: dict[str, Any] = {"actor": general, "models": frozenset({"breast-cancer"}), "purposes": frozenset({"TREAT"})}
    assert permitted(permit(actor=specific), deny(**broad))
    assert not permitted(deny(actor=specific), permit(**broad))


@pytest.mark.parametrize(
    ("specific", "general"),
    [
        ({"models": frozenset({"breast-cancer"})}, {"data_classes": frozenset({"cytology"})}),
        ({"data_classes": frozenset({"cytology"})}, {"purposes": frozenset({"TREAT"})}),
        ({"purposes": frozenset({"TREAT"})}, {}),
    ],
)
def test_between_equal_actors_a_limited_model_then_data_class_then_purpose_decides(
    specific: dict[str, Any], general: dict[str, Any]
) -> None:
    assert permitted(permit(**specific), deny(**general))
    assert not permitted(deny(**specific), permit(**general))


def test_an_organisation_and_a_role_alone_are_equally_specific_so_the_denial_wins() -> None:
    assert not permitted(permit(actor=Actor("HospitalAMSP")), deny(actor=Actor("", "clinician")))
    assert not permitted(deny(actor=Actor("HospitalAMSP")), permit(actor=Actor("", "clinician")))


@pytest.mark.parametrize("purpose", sorted(EMERGENCY_PURPOSES))
def test_a_clinician_with_a_reason_breaks_the_glass(purpose: str) -> None:
    use = replace(EMERGENCY_USE, purpose=purpose)
    verdict = evaluate([consent(deny())], use, NOON)
    assert (verdict.permitted, verdict.basis, verdict.consent_id) == (True, Basis.EMERGENCY, "")


def test_breaking_the_glass_takes_a_reason() -> None:
    verdict = evaluate([consent(permit())], replace(EMERGENCY_USE, emergency_reason="  "), NOON)
    assert not verdict.permitted
    assert "needs a reason" in verdict.reason


def test_breaking_the_glass_takes_a_clinician() -> None:
    verdict = evaluate([consent(permit())], replace(EMERGENCY_USE, actor=Actor("HospitalAMSP", "nurse", "n")), NOON)
    assert not verdict.permitted
    assert "for clinicians" in verdict.reason


def test_a_denial_of_emergency_access_by_name_holds() -> None:
    verdict = evaluate([consent(deny(purposes=frozenset({"ETREAT"})))], EMERGENCY_USE, NOON)
    assert (verdict.permitted, verdict.basis) == (False, Basis.DENIED)


def test_a_denial_of_one_kind_of_emergency_access_is_not_evaded_by_the_other() -> None:
    for denied, used in (("ETREAT", "BTG"), ("BTG", "ETREAT")):
        rule = deny(purposes=frozenset({denied}))
        verdict = evaluate([consent(rule)], replace(EMERGENCY_USE, purpose=used), NOON)
        assert (verdict.permitted, verdict.basis) == (False, Basis.DENIED)


def test_a_purpose_covers_itself_alone() -> None:
    assert not permitted(permit(purposes=frozenset({"HRESCH"})), use=replace(USE, purpose="CLINTRCH"))


def test_a_purpose_that_hl7_does_not_list_is_refused_even_by_a_rule_for_any_purpose() -> None:
    with pytest.raises(ProvisionError, match="purpose"):
        evaluate([consent(permit())], replace(USE, purpose="CURIOSITY"), NOON)


def test_the_purposes_are_those_of_the_hl7_value_set() -> None:
    assert len(PURPOSES) == 59
    assert {"TREAT", "ETREAT", "BTG", "HRESCH", "HPAYMT", "HOPERAT", "PATRQT", "PUBHLTH"} <= PURPOSES.keys()


RULE: dict[str, Any] = {
    "type": "permit",
    "actor": {"organisation": "HospitalAMSP", "role": "clinician", "person": ""},
    "data_classes": ["cytology"],
    "purposes": ["TREAT"],
    "period": {"start": None, "end": "2027-01-01T00:00:00Z"},
    "models": [],
}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"type": "allow"}, "type"),
        ({"type": ["permit"]}, "type"),
        ({"purposes": ["CURIOSITY"]}, "purposes: CURIOSITY"),
        ({"purposes": "TREAT"}, "purposes"),
        ({"purposes": [["TREAT"]]}, "purposes"),
        ({"data_classes": [""]}, "data_classes"),
        ({"models": [7]}, "models"),
        ({"models": [f"m{number}" for number in range(33)]}, "models"),
        ({"period": {"start": "tomorrow"}}, "period.start"),
        ({"period": {"end": "2026-02-30T00:00:00Z"}}, "period.end"),
        ({"period": {"start": "2027-01-01T00:00:00Z", "end": "2027-01-01T00:00:00Z"}}, "period"),
        ({"period": {"until": "2027-01-01T00:00:00Z"}}, "period.until"),
        ({"period": []}, "period"),
        ({"actor": {"person": "dr-a"}}, "actor.person"),
        ({"actor": {"organization": "HospitalAMSP"}}, "actor.organization"),
        ({"actor": {"organisation": 0}}, "actor.organisation"),
        ({"actor": "HospitalAMSP"}, "actor"),
        ({"purpose": "TREAT"}, "purpose"),
    ],
)
def test_a_faulty_rule_is_refused_by_the_name_of_its_field(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ProvisionError, match=rf"^provisions\[0\]\.{named}"):
        parse({"id": "consent-1", "patient": PATIENT, "provisions": [RULE | changes]})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"id": "no spaces"}, "id"),
        ({"patient": None}, "patient"),
        ({"provisions": []}, "provisions"),
        ({"provisions": [RULE] * 33}, "provisions"),
        ({"status": "paused"}, "status"),
    ],
)
def test_a_faulty_consent_is_refused_by_the_name_of_its_field(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ProvisionError, match=named):
        parse({"id": "consent-1", "patient": PATIENT, "provisions": [RULE], **changes})


@pytest.mark.parametrize("document", [None, [], "consent", 7, {"type": "permit", "actor": None}])
def test_what_is_no_object_is_refused(document: object) -> None:
    with pytest.raises(ProvisionError, match="must be an object"):
        parse_provision(document)
    with pytest.raises(ProvisionError):
        parse(document)


def test_an_actor_with_nothing_set_is_anybody() -> None:
    assert parse_actor({}) == Actor()
    assert Actor().matches(DOCTOR)
