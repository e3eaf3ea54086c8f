"""Who may read the channel through the gateway: its members, by a signed request (Fabric's policy `Readers`)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from services.common.msp import IdentityError, Membership
from services.ledger.faults import GatewayError, denied


class Readers:
    """The members of this channel."""

    def __init__(self, channel_id: str, membership: Membership, clock: Callable[[], datetime]) -> None:
        self._channel_id = channel_id
        self._membership = membership
        self._clock = clock

    def check(self, channel_id: str, identity: bytes, signature: bytes, message: bytes) -> None:
        """Raises GatewayError (PERMISSION_DENIED) unless a member of this channel has signed `message`."""
        if not channel_id:
            raise denied("Invalid channel ID name during check policy on signed data. Name must be different from nil.")
        if channel_id != self._channel_id:
            raise denied(f"Failed to get policy manager for channel [{channel_id[:64]}]")
        try:
            self._membership.identify_serialized(identity, self._clock()).verify(signature, message)
        except IdentityError as error:
            raise refused_reader(error) from None


def refused_reader(error: IdentityError) -> GatewayError:
    """An identity that does not hold, or no longer."""
    return denied(f"access denied: {error}")
