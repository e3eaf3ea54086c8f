"""Signature policies: `AND`, `OR` and `OutOf` over 'MSP.role', as Fabric writes, stores and evaluates them. Pure.

Evaluation is Fabric's (common/cauthdsl), which is greedy: rules are tried in the order written, each takes the first
identity that is still free, and a rule that holds keeps what it took. So a policy can fail where a cleverer assignment
would satisfy it, here exactly where it fails there.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any, Protocol

from fabric_protos.common import policies_pb2
from fabric_protos.msp import msp_principal_pb2
from google.protobuf.message import DecodeError

ROLES = ("member", "admin", "client", "peer", "orderer")
_TOKEN = re.compile(r"\s*(?:(?P<name>[A-Za-z]+)|(?P<number>\d+)|(?P<text>'[^']*'|\"[^\"]*\")|(?P<mark>[(),]))")
_PRINCIPAL = re.compile(r"([A-Za-z0-9.-]+)\.(" + "|".join(ROLES) + ")")
# Fabric takes a gate's name as written here, in lower case and in upper case.
_GATES = {form: gate for gate in ("And", "Or", "OutOf") for form in (gate, gate.lower(), gate.upper())}
_MAX_DEPTH = 32
_MAX_PRINCIPALS = 1_000


class PolicyError(ValueError):
    """The policy cannot be used. For text the message names the position, counted from 1."""


class Signatory(Protocol):
    """Who has signed: `services.common.msp.Identity`. One certificate counts once."""

    @property
    def msp_id(self) -> str: ...

    @property
    def roles(self) -> Collection[str]: ...

    @property
    def content_digest(self) -> str: ...


@dataclass(frozen=True)
class Principal:
    """Whoever has `role` in the organisation."""

    msp_id: str
    role: str

    def __str__(self) -> str:
        return f"{self.msp_id}.{self.role}"


@dataclass(frozen=True)
class Gate:
    """`n` of `rules` must hold."""

    n: int
    rules: tuple[Rule, ...]


Rule = Principal | Gate


@dataclass(frozen=True)
class Policy:
    """A rule. Equal policies are equal values; `envelope` is the form that goes over the wire."""

    rule: Rule

    @cached_property
    def principals(self) -> tuple[Principal, ...]:
        """Those named, in the order of naming; one that is named twice is there twice."""
        return tuple(_principals(self.rule))

    @cached_property
    def envelope(self) -> Any:
        """The `common.SignaturePolicyEnvelope`, as Fabric's parser builds it: one identity for each mention."""
        identities = [
            msp_principal_pb2.MSPPrincipal(
                principal_classification=msp_principal_pb2.MSPPrincipal.ROLE,
                principal=msp_principal_pb2.MSPRole(
                    msp_identifier=each.msp_id, role=msp_principal_pb2.MSPRole.MSPRoleType.Value(each.role.upper())
                ).SerializeToString(),
            )
            for each in self.principals
        ]
        numbers = iter(range(len(identities)))
        return policies_pb2.SignaturePolicyEnvelope(rule=_encode(self.rule, numbers), identities=identities)

    @classmethod
    def from_envelope(cls, envelope: Any) -> Policy:
        """Raises PolicyError for principals that are no roles, and for what is malformed."""
        return cls(_decode(envelope.rule, [_decode_principal(each) for each in envelope.identities], 0))

    def __str__(self) -> str:
        return format(self)


def parse(text: str) -> Policy:
    """The policy written in `text`. Raises PolicyError."""
    return Policy(_Parser(text).parse())


def format(policy: Policy) -> str:
    """The text of a policy; `parse` gives the policy back."""
    rule = policy.rule
    return _format(rule if isinstance(rule, Gate) else Gate(1, (rule,)))


def satisfied(policy: Policy, identities: Iterable[Signatory]) -> bool:
    """Whether these signatories, in this order, satisfy the policy. Each certificate counts once."""
    unique = list({each.content_digest: each for each in identities}.values())
    return _holds(policy.rule, unique, [False] * len(unique))


def plan(policy: Policy, available: Iterable[str]) -> list[frozenset[str]]:
    """The minimal sets of organisations whose peers, one each, satisfy the policy: smallest first, then by name."""
    return plan_all([policy], available)


def plan_all(policies: Sequence[Policy], available: Iterable[str]) -> list[frozenset[str]]:
    """The minimal sets that satisfy every one of these policies at once: those of all namespaces written, say."""
    named = {principal.msp_id for policy in policies for principal in policy.principals}
    candidates = sorted(named.intersection(available))
    found: list[frozenset[str]] = []
    for size in range(len(candidates) + 1):
        for chosen in combinations(candidates, size):
            organisations = frozenset(chosen)
            if any(smaller <= organisations for smaller in found):
                continue
            peers = [_Peer(each) for each in chosen]
            if all(satisfied(policy, peers) for policy in policies):
                found.append(organisations)
    return found


@dataclass(frozen=True)
class _Peer:
    """The one peer that an organisation endorses with."""

    msp_id: str
    roles: frozenset[str] = frozenset({"member", "peer"})

    @property
    def content_digest(self) -> str:
        return self.msp_id


def _holds(rule: Rule, identities: Sequence[Signatory], used: list[bool]) -> bool:
    """Marks in `used` what the rule took; on failure `used` may hold marks that the caller drops."""
    if isinstance(rule, Principal):
        for index, identity in enumerate(identities):
            if not used[index] and identity.msp_id == rule.msp_id and rule.role in identity.roles:
                used[index] = True
                return True
        return False
    verified = 0
    for each in rule.rules:
        attempt = used.copy()
        if _holds(each, identities, attempt):
            verified += 1
            used[:] = attempt
    return verified >= rule.n


def _principals(rule: Rule) -> Iterator[Principal]:
    if isinstance(rule, Principal):
        yield rule
    else:
        for each in rule.rules:
            yield from _principals(each)


def _format(rule: Rule) -> str:
    if isinstance(rule, Principal):
        return f"'{rule}'"
    rules = ", ".join(_format(each) for each in rule.rules)
    if rule.n == len(rule.rules):
        return f"AND({rules})"
    return f"OR({rules})" if rule.n == 1 else f"OutOf({rule.n}, {rules})"


def _encode(rule: Rule, numbers: Iterator[int]) -> Any:
    if isinstance(rule, Principal):
        return policies_pb2.SignaturePolicy(signed_by=next(numbers))
    rules = [_encode(each, numbers) for each in rule.rules]
    return policies_pb2.SignaturePolicy(n_out_of=policies_pb2.SignaturePolicy.NOutOf(n=rule.n, rules=rules))


def _decode(rule: Any, principals: Sequence[Principal], depth: int) -> Rule:
    if depth > _MAX_DEPTH:
        raise PolicyError("the policy is nested too deeply")
    match rule.WhichOneof("Type"):
        case "signed_by" if 0 <= rule.signed_by < len(principals):
            return principals[rule.signed_by]
        case "n_out_of":
            return Gate(rule.n_out_of.n, tuple(_decode(each, principals, depth + 1) for each in rule.n_out_of.rules))
        case _:
            raise PolicyError("the policy has a rule without a meaning")


def _decode_principal(principal: Any) -> Principal:
    if principal.principal_classification != msp_principal_pb2.MSPPrincipal.ROLE:
        raise PolicyError("the policy names a principal that is no role")
    role = msp_principal_pb2.MSPRole()
    try:
        role.ParseFromString(principal.principal)
        name = msp_principal_pb2.MSPRole.MSPRoleType.Name(role.role).lower()
    except (DecodeError, ValueError):
        raise PolicyError("the policy names a principal that cannot be read") from None
    return Principal(role.msp_identifier, name)


class _Parser:
    """Recursive descent: gate := name "(" [number ","] rule {"," rule} ")"; rule := gate | text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._mentions = 0

    def parse(self) -> Rule:
        rule = self._rule(0)
        if isinstance(rule, Principal):
            raise PolicyError("position 1: a policy is AND(...), OR(...) or OutOf(n, ...), also around one principal")
        if (rest := self._text[self._at :]).strip():
            self._at += len(rest) - len(rest.lstrip())
            raise self._wrong("nothing more was expected")
        return rule

    def _rule(self, depth: int) -> Rule:
        if depth > _MAX_DEPTH:
            raise self._wrong("the policy is nested too deeply")
        start, kind, token = self._next("a gate or a principal")
        if kind == "text":
            return self._principal(start, token[1:-1])
        if kind != "name" or token not in _GATES:
            raise self._wrong("expected AND, OR, OutOf or a principal in quotes", start)
        self._expect("(")
        threshold_at, threshold = self._threshold() if _GATES[token] == "OutOf" else (start, None)
        rules = [self._rule(depth + 1)]
        while self._expect(",", ")") == ",":
            rules.append(self._rule(depth + 1))
        if threshold is None:
            threshold = len(rules) if _GATES[token] == "And" else 1
        if threshold < 1:
            raise self._wrong("0 would hold with no endorsement at all", threshold_at)
        if threshold > len(rules):
            raise self._wrong(f"{threshold} of {len(rules)} can never hold", threshold_at)
        return Gate(threshold, tuple(rules))

    def _threshold(self) -> tuple[int, int]:
        start, kind, token = self._next("a number")
        if kind != "number":
            raise self._wrong("expected a number", start)
        self._expect(",")
        # More digits than any policy has rules: no integer of that size is built.
        return start, int(token[:9])

    def _principal(self, start: int, text: str) -> Principal:
        match = _PRINCIPAL.fullmatch(text)
        if match is None:
            raise self._wrong(f"a principal is 'MSP.role' with a role of {', '.join(ROLES)}", start)
        self._mentions += 1
        if self._mentions > _MAX_PRINCIPALS:
            raise self._wrong("the policy names too many principals", start)
        return Principal(match[1], match[2])

    def _expect(self, *marks: str) -> str:
        wanted = " or ".join(f'"{mark}"' for mark in marks)
        start, _, token = self._next(wanted)
        if token not in marks:
            raise self._wrong(f"expected {wanted}", start)
        return token

    def _next(self, wanted: str) -> tuple[int, str, str]:
        match = _TOKEN.match(self._text, self._at)
        if match is None or match.lastgroup is None:
            rest = self._text[self._at :]
            self._at += len(rest) - len(rest.lstrip())
            raise self._wrong(f"expected {wanted}")
        self._at = match.end()
        return match.start(match.lastgroup), match.lastgroup, match[match.lastgroup]

    def _wrong(self, what: str, at: int | None = None) -> PolicyError:
        return PolicyError(f"position {(self._at if at is None else at) + 1}: {what}")
