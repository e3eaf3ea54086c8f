"""What a patient's client refuses to sign."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from salus.consent.v1 import consent_pb2

from chaincode.core import canonical
from chaincode.core.provision import Actor, Provision, Type
from services.common.server import utc_now
from services.consent.client import DraftError
from services.consent.servicer import ConsentServicer
from services.ledger.proposal import Proposal, draft_proposal, parse_transaction
from tests.consent.conftest import ANN, BEN, HOSPITAL, ConsentSite

TREAT = [Provision(Type.PERMIT, Actor(HOSPITAL), purposes=frozenset({"TREAT"}))]


@dataclass(frozen=True)
class Asked:
    """The parts of a draft, for a dishonest service to change."""

    channel: str
    creator: bytes
    contract: str
    function: str
    args: tuple[str, ...]
    transient: Mapping[str, bytes]

    def draft(self) -> Proposal:
        nonce = os.urandom(24)
        return draft_proposal(
            self.channel, self.creator, self.contract, self.function, self.args, self.transient, nonce, utc_now()
        )


class Dishonest(ConsentServicer):
    """Drafts something else than was asked."""

    def __init__(self, ledger: Any, change: Callable[[Asked], Asked]) -> None:
        super().__init__(ledger, lambda: datetime.now(UTC), os.urandom)
        self._change = change

    def _draft(self, patient: Any, function: str, consent_id: str, transient: dict[str, bytes]) -> Proposal:
        asked = Asked("salus", patient.serialized, "consent", function, (consent_id,), transient)
        return self._change(asked).draft()


def consent_with(asked: Asked, **changes: object) -> Asked:
    body = canonical.decode(asked.transient["consent"]) | changes
    return replace(asked, transient={**asked.transient, "consent": canonical.encode(body)})


CHANGES: Mapping[str, Callable[[Asked], Asked]] = {
    "channel": lambda asked: replace(asked, channel="other"),
    "contract": lambda asked: replace(asked, contract="decisions"),
    "function": lambda asked: replace(asked, function="Revoke"),
    "arguments": lambda asked: replace(asked, args=(*asked.args, "more")),
    "another consent": lambda asked: replace(asked, args=("another",)),
    "salt missing": lambda asked: replace(asked, transient={"consent": asked.transient["consent"]}),
    "salt short": lambda asked: replace(asked, transient={**asked.transient, "salt": b"short"}),
    "transient added": lambda asked: replace(asked, transient={**asked.transient, "more": b"x"}),
    "consent unreadable": lambda asked: replace(asked, transient={**asked.transient, "consent": b"{"}),
    "rules widened": lambda asked: consent_with(asked, provisions=[{"type": "permit"}]),
    "rule added": lambda asked: consent_with(
        asked, provisions=[*canonical.decode(asked.transient["consent"])["provisions"], {"type": "permit"}]
    ),
    "another patient": lambda asked: consent_with(asked, patient=BEN),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_a_grant_that_was_not_asked_for_is_not_signed(
    site: ConsentSite, change: Callable[[Asked], Asked]
) -> None:
    await site.start(Dishonest(site.ledger, change))
    with pytest.raises(DraftError):
        await site.client(ANN).grant(TREAT)
    assert site.gateway.ledger.height == 0


async def test_a_draft_for_another_creator_is_not_signed(site: ConsentSite) -> None:
    site.organisations.enrol(HOSPITAL, BEN, role="patient")
    creator = site.organisations.signer(HOSPITAL, BEN).serialized
    await site.start(Dishonest(site.ledger, lambda asked: replace(asked, creator=creator)))
    with pytest.raises(DraftError, match="creator"):
        await site.client(ANN).grant(TREAT)


async def test_a_grant_in_place_of_a_revocation_is_not_signed(site: ConsentSite) -> None:
    granted = await site.client(ANN).grant(TREAT)
    await site.start(Dishonest(site.ledger, lambda asked: replace(asked, transient={"consent": b"{}"})))
    with pytest.raises(DraftError, match="transient"):
        await site.client(ANN).revoke(granted.consent_id)


class Swapping(ConsentServicer):
    """Endorses what was signed, and hands out another transaction to sign."""

    def __init__(self, ledger: Any, other: bytes) -> None:
        super().__init__(ledger, utc_now, os.urandom)
        self._other = other

    async def Endorse(self, request: Any, context: Any) -> consent_pb2.EndorseResponse:
        name = parse_transaction(self._other).transaction_id
        return consent_pb2.EndorseResponse(transaction_id=name, payload=self._other)


async def test_another_transaction_than_the_endorsed_one_is_not_signed(site: ConsentSite) -> None:
    ann = site.client(ANN)
    other = await ann.endorse(await ann.draft_grant(TREAT))
    await site.start(Swapping(site.ledger, other.payload))
    with pytest.raises(DraftError, match="another transaction"):
        await site.client(ANN).grant(TREAT)
