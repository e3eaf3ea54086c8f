"""Which private data of a block its requester may have: that of collections whose policy the requester satisfies.

The policies are those of the configuration under which the block was made, as Fabric's peers take them. A Fabric peer
holds the collections of its own organisation only, and hands out to anybody what is not `memberOnlyRead`; this ledger
holds every organisation's, so that here the collection's policy always decides. What no policy is known of stays here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from services.ledger import genesis
from services.ledger.policy import Policy, Signatory, parse, satisfied
from services.ledger.private import BlockPrivate

Policies = Mapping[tuple[str, str], Policy]


def policies(contracts: bytes) -> Policies:
    """The policy of each (contract, collection), from what `genesis.contracts` gives."""
    return {
        (name, collection["name"]): parse(collection["policy"])
        for name, definition in json.loads(contracts).items()
        for collection in definition["collections"]
    }


def disclosed(private: BlockPrivate, known: Policies, requester: Signatory) -> BlockPrivate:
    """The part of `private` that `requester` may have; places of which nothing is left are left out."""
    result = {}
    for place, collections in private.items():
        open_to = tuple(
            each
            for each in collections
            if (policy := known.get((each.namespace, each.name))) is not None and satisfied(policy, [requester])
        )
        if open_to:
            result[place] = open_to
    return result


class Disclosure:
    """Of a ledger: `read` gives a committed `common.Block`, `private` the private data of one. Used from any thread."""

    def __init__(self, read: Callable[[int], Any], private: Callable[[int], BlockPrivate]) -> None:
        self._read = read
        self._private = private
        self._latest: tuple[int, Policies] = (-1, {})

    def of(self, block: Any, requester: Signatory) -> BlockPrivate:
        """The private data of this block that `requester` may have, by place in the block."""
        private = self._private(block.header.number)
        return disclosed(private, self._policies(genesis.latest_number(block)), requester) if private else {}

    def _policies(self, number: int) -> Policies:
        at, known = self._latest
        if at != number:
            config = genesis.parse(self._read(number).data.data[0])
            known = policies(genesis.contracts(config[1].channel_group)) if config is not None else {}
            self._latest = number, known
        return known
