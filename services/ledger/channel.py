"""The channel as system chaincodes read it, and Fabric's check of who may (core/policy).

Members of the channel's organisations, the orderer's included, read what it is made of. Blocks hold the certificates of
people, so whoever is to see one needs a role besides: the same as for `protos.Deliver` (`access.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from services.common.msp import Identity
from services.ledger.blockstore import BlockStore
from services.ledger.definitions import Definitions
from services.ledger.state import StateStore

READERS = "/Channel/Application/Readers"
WRITERS = "/Channel/Application/Writers"
# As long as a channel's name may be.
_SHOWN = 249


class AccessDeniedError(Exception):
    """The creator may not. Fabric's text."""


@dataclass(frozen=True)
class Channel:
    """`organisations` are those with an endorser. `sequences`: how often each contract's definition was agreed on.
    `block_readers` are roles."""

    name: str
    organisations: Collection[str]
    orderer_msp: str
    definitions: Definitions
    sequences: Mapping[str, int]
    block_readers: Collection[str]
    blocks: BlockStore
    state: StateStore

    def check_member(self, channel: str, policy: str, creator: Identity) -> None:
        """Whether the creator is a member of this channel, under the name it gives. Raises AccessDeniedError."""
        if channel != self.name:
            raise AccessDeniedError(f"Failed to get policy manager for channel [{channel}]")
        if creator.msp_id not in (*self.organisations, self.orderer_msp):
            kind = policy.rpartition("/")[2]
            raise AccessDeniedError(
                f"Failed evaluating policy on signed data during check policy on channel [{channel}] with policy "
                f"[{policy}]: [implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy "
                f"requires 1 of the '{kind}' sub-policies to be satisfied]"
            )

    def check_block_reader(self, creator: Identity) -> None:
        """Whether the creator may see blocks. Raises AccessDeniedError."""
        if creator.role not in self.block_readers:
            raise AccessDeniedError(f"blocks are for role {' or '.join(sorted(self.block_readers))}")


def shown(argument: bytes) -> str:
    """An argument as an error quotes it: as text, and no more than names are long."""
    return argument.decode(errors="replace")[:_SHOWN]
