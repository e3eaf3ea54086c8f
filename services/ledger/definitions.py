"""What the ledger enforces about contracts: endorsement policies and private data collections. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.ledger.policy import Policy


@dataclass(frozen=True)
class Collection:
    """A private data collection, with the meaning of Fabric's `StaticCollectionConfig`.

    `policy` says whose organisations are members. `endorsement_policy`, where set, stands in for the contract's policy
    for writes to the collection. `block_to_live` 0 means that nothing expires.
    """

    name: str
    policy: Policy
    member_only_read: bool = False
    member_only_write: bool = False
    required_peer_count: int = 0
    max_peer_count: int = 0
    block_to_live: int = 0
    endorsement_policy: Policy | None = None


@dataclass(frozen=True)
class ContractDefinition:
    """A contract as the channel has agreed on it. `policy` is its endorsement policy."""

    name: str
    version: str
    policy: Policy
    collections: Mapping[str, Collection] = field(default_factory=dict)


Definitions = Mapping[str, ContractDefinition]
