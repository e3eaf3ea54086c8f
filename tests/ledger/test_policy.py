"""Signature policies against Fabric's syntax (common/policydsl) and evaluation (common/cauthdsl)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ledger.policy import (
    ROLES,
    Gate,
    Policy,
    PolicyError,
    Principal,
    Rule,
    format,
    parse,
    plan,
    plan_all,
    satisfied,
)

MSPS = ("A", "B", "C")


@dataclass(frozen=True)
class Someone:
    msp_id: str
    role: str
    content_digest: str

    @property
    def roles(self) -> frozenset[str]:
        return frozenset({"member", self.role})


def peer(msp_id: str, number: int = 1) -> Someone:
    return Someone(msp_id, "peer", f"{msp_id}{number}")


def gates(rules: st.SearchStrategy[Rule]) -> st.SearchStrategy[Rule]:
    return st.lists(rules, min_size=1, max_size=4).flatmap(
        lambda chosen: st.builds(Gate, st.integers(1, len(chosen)), st.just(tuple(chosen)))
    )


principals: st.SearchStrategy[Rule] = st.builds(Principal, st.sampled_from(MSPS), st.sampled_from(ROLES))
rules = gates(st.recursive(principals, gates, max_leaves=6))
signatories = st.lists(
    st.builds(Someone, st.sampled_from(MSPS), st.sampled_from(ROLES[1:]), st.sampled_from("12345")), max_size=5
).map(lambda found: list({each.content_digest: each for each in found}.values()))


def best(rule: Rule, identities: Sequence[Someone]) -> bool:
    """Whether some assignment, each identity to one mention of a principal, makes the rule true: brute force."""
    mentions = Policy(rule).principals
    slots: list[Someone | None] = [*identities, *([None] * len(mentions))]
    return any(true_for(rule, iter(chosen)) for chosen in set(permutations(slots, len(mentions))))


def true_for(rule: Rule, chosen: object) -> bool:
    if isinstance(rule, Principal):
        identity = next(chosen)  # type: ignore[call-overload]
        return identity is not None and identity.msp_id == rule.msp_id and rule.role in identity.roles
    return sum([true_for(each, chosen) for each in rule.rules]) >= rule.n


@given(rules)
def test_a_policy_survives_text(rule: Rule) -> None:
    assert parse(format(Policy(rule))) == Policy(rule)


@given(rules)
def test_a_policy_survives_its_envelope(rule: Rule) -> None:
    assert Policy.from_envelope(Policy(rule).envelope) == Policy(rule)


small_rules = rules.filter(lambda rule: len(Policy(rule).principals) <= 4)


@given(small_rules, signatories)
def test_what_satisfies_a_policy_satisfies_it_for_the_oracle(rule: Rule, identities: list[Someone]) -> None:
    if satisfied(Policy(rule), identities):
        assert best(rule, identities)


def simple_rules() -> st.SearchStrategy[Rule]:
    """Policies in which no two principals can want the same identity: there the greedy evaluation is complete."""
    distinct: st.SearchStrategy[tuple[Rule, ...]] = st.lists(
        st.builds(Principal, st.sampled_from(MSPS), st.just("peer")), min_size=1, max_size=3, unique=True
    ).map(tuple)
    return distinct.flatmap(lambda chosen: st.builds(Gate, st.integers(1, len(chosen)), st.just(chosen)))


@given(simple_rules(), signatories)
def test_without_overlapping_principals_evaluation_and_oracle_agree(rule: Rule, identities: list[Someone]) -> None:
    assert satisfied(Policy(rule), identities) == best(rule, identities)


@given(small_rules, st.sets(st.sampled_from(MSPS)))
def test_a_plan_is_what_satisfies_and_nothing_less(rule: Rule, available: set[str]) -> None:
    plans = plan(Policy(rule), available)
    for chosen in plans:
        assert satisfied(Policy(rule), [peer(each) for each in sorted(chosen)])
        assert chosen <= available
        assert not any(other < chosen for other in plans)


@pytest.mark.parametrize(
    "text",
    [
        "AND('A.member', 'B.member')",
        "OR('A.member', AND('B.peer', 'C.admin'))",
        "OutOf(2, 'A.peer', 'B.peer', 'C.peer')",
    ],
)
def test_text_is_written_as_it_was_read(text: str) -> None:
    assert str(parse(text)) == text


@pytest.mark.parametrize("text", ["and('A.peer')", 'And( "A.peer" )', "OUTOF(1,'A.peer')", "\tor ('A.peer')\n"])
def test_the_forms_that_fabric_takes_are_taken(text: str) -> None:
    assert parse(text) == Policy(Gate(1, (Principal("A", "peer"),)))


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 1),
        ("'A.peer'", 1),
        ("AND()", 5),
        ("AND('A.peer'", 13),
        ("AND('A.peer' 'B.peer')", 14),
        ("AND('A.peer')x", 14),
        ("AND('A.boss')", 5),
        ("AND('peer')", 5),
        ("XOR('A.peer')", 1),
        ("OutOf('A.peer')", 7),
        ("OutOf(3, 'A.peer', 'B.peer')", 7),
        ("OutOf(0, 'A.peer')", 7),
        ("AND('A.peer", 5),
    ],
)
def test_a_malformed_policy_is_refused_by_position(text: str, position: int) -> None:
    with pytest.raises(PolicyError, match=rf"^position {position}: "):
        parse(text)


@given(st.text(alphabet="ANDORutf'.(),20 peer\"", max_size=40))
def test_any_text_is_a_policy_or_a_policy_error(text: str) -> None:
    with suppress(PolicyError):
        parse(text)


def test_a_policy_nested_without_end_is_refused() -> None:
    with pytest.raises(PolicyError, match="nested too deeply"):
        parse("AND(" * 5_000)


def test_one_certificate_counts_once() -> None:
    assert not satisfied(parse("AND('A.peer', 'A.peer')"), [peer("A"), peer("A")])


def test_two_certificates_of_an_organisation_count_twice() -> None:
    assert satisfied(parse("AND('A.peer', 'A.peer')"), [peer("A", 1), peer("A", 2)])


def test_evaluation_is_greedy_as_in_fabric() -> None:
    """cauthdsl: 'A.member' takes the admin, and none is left for 'A.admin'."""
    admin, member = Someone("A", "admin", "1"), Someone("A", "client", "2")
    policy = parse("AND('A.member', 'A.admin')")
    assert not satisfied(policy, [admin, member])
    assert satisfied(policy, [member, admin])


def test_plans_are_minimal_sets_smallest_first() -> None:
    policy = parse("OR('C.peer', AND('A.peer', 'B.peer'))")
    assert plan(policy, MSPS) == [frozenset("C"), frozenset("AB")]


def test_a_plan_needs_peers() -> None:
    assert plan(parse("AND('A.admin')"), MSPS) == []


def test_one_plan_satisfies_several_policies() -> None:
    policies = [parse("OR('A.peer', 'B.peer')"), parse("AND('B.peer')")]
    assert plan_all(policies, MSPS) == [frozenset("B")]
