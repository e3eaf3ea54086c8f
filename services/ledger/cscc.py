"""`cscc`: the channel and its configuration, as Fabric's configuration system chaincode gives them (core/scc/cscc).

A configuration stands alone in its block and names no people, so every member of the channel reads it. This ledger has
the one channel of its `network.yaml`: nobody joins another.
"""

from __future__ import annotations

from fabric_protos.peer import query_pb2

from chaincode.api.stub import ERROR, OK, Response
from services.common.msp import Identity
from services.ledger import genesis
from services.ledger.blockstore import BlockStoreError
from services.ledger.channel import READERS, AccessDeniedError, Channel, shown
from services.ledger.proposal import UnpackedProposal

_JOINS = ("JoinChain", "JoinChainBySnapshot", "JoinBySnapshotStatus")
_WITHOUT_ARGUMENT = ("GetChannels", "JoinBySnapshotStatus")


def invoke(channel: Channel, proposal: UnpackedProposal, creator: Identity) -> Response:
    """Answers a checked proposal. Raises BlockStoreError where a block cannot be read."""
    args = proposal.args
    if not args:
        return Response(ERROR, "Incorrect number of arguments, 0")
    function = shown(args[0])
    if function not in _WITHOUT_ARGUMENT and len(args) < 2:
        return Response(ERROR, f"Incorrect number of arguments, {len(args)}")
    if function in _JOINS:
        return Response(ERROR, f"access denied for [{function}]: this ledger has one channel and joins no other")
    if function == "GetChannels":
        # Its policy is Members: whoever's proposal was accepted.
        channels = query_pb2.ChannelQueryResponse(channels=[query_pb2.ChannelInfo(channel_id=channel.name)])
        return Response(OK, payload=channels.SerializeToString())
    if function not in ("GetConfigBlock", "GetChannelConfig"):
        return Response(ERROR, f"Requested function {function} not found.")
    name = shown(args[1])
    if function == "GetChannelConfig" and not args[1]:
        return Response(ERROR, "empty channel name provided")
    try:
        channel.check_member(name, READERS, creator)
    except AccessDeniedError as error:
        return Response(ERROR, f"access denied for [{function}][{name}]: {error}")
    return Response(OK, payload=_config_block(channel) if function == "GetConfigBlock" else _config(channel))


def _config_block(channel: Channel) -> bytes:
    last = channel.blocks.read(channel.blocks.height - 1)
    return channel.blocks.get(genesis.latest_number(last))


def _config(channel: Channel) -> bytes:
    """The `common.Config`."""
    last = channel.blocks.read(channel.blocks.height - 1)
    parsed = genesis.parse(channel.blocks.read(genesis.latest_number(last)).data.data[0])
    if parsed is None:
        raise BlockStoreError("the latest configuration cannot be read")
    return bytes(parsed[1].SerializeToString())
