"""Which policies and members a transaction needs, from what it touched (Fabric: core/endorser, chaincode interest)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.ledger import policy, rwset
from services.ledger.definitions import Collection, ContractDefinition
from services.ledger.endorsement import requirement
from services.ledger.rwset import RwsetBuilder, Version

CONTRACT = policy.parse("OR('AMSP.peer')")
OTHER = policy.parse("OR('BMSP.peer')")
MEMBERS = policy.parse("OR('AMSP.member','BMSP.member')")
SPECIAL = policy.parse("OR('CMSP.peer')")
DEFINITIONS = {
    "sample": ContractDefinition(
        "sample",
        "1.0",
        CONTRACT,
        {"plain": Collection("plain", MEMBERS), "special": Collection("special", MEMBERS, endorsement_policy=SPECIAL)},
    ),
    "other": ContractDefinition("other", "1.0", OTHER),
}
VERSION = Version(1, 0)
Work = Callable[[RwsetBuilder], None]


@pytest.mark.parametrize(
    ("work", "transient", "policies", "members"),
    [
        (lambda b: b.write("sample", "k", b"v"), False, {CONTRACT}, set()),
        (lambda b: b.read("sample", "k", VERSION), False, {CONTRACT}, set()),
        (lambda b: (b.write("sample", "k", b"v"), b.read("other", "k", None)), False, {CONTRACT, OTHER}, set()),
        (lambda b: b.write_private("sample", "plain", "k", b"v"), False, {CONTRACT}, set()),
        (lambda b: b.write_private("sample", "plain", "k", b"v"), True, {CONTRACT}, {MEMBERS}),
        (lambda b: b.write_private("sample", "special", "k", b"v"), False, {SPECIAL}, set()),
        (lambda b: b.read_private("sample", "plain", "k", VERSION), False, {CONTRACT}, {MEMBERS}),
        (
            lambda b: (b.write_private("sample", "special", "k", b"v"), b.write("sample", "k", b"v")),
            False,
            {SPECIAL, CONTRACT},
            set(),
        ),
    ],
    ids=[
        "public write",
        "read alone",
        "read of another contract",
        "private write",
        "private write with transient data",
        "collection with a policy of its own",
        "private read",
        "private and public write",
    ],
)
def test_what_was_touched_says_who_must_endorse(
    work: Work, transient: bool, policies: set[policy.Policy], members: set[policy.Policy]
) -> None:
    builder = RwsetBuilder()
    builder.touch("sample")
    work(builder)
    needed = requirement(rwset.parse(builder.public()), DEFINITIONS, transient=transient)
    assert set(needed.policies) == policies
    assert set(needed.members_of) == members
