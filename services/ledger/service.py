"""The ledger's port: which protocols it serves, and to whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fabric_protos.gateway import gateway_pb2, gateway_pb2_grpc
from fabric_protos.peer import events_pb2, events_pb2_grpc, peer_pb2, peer_pb2_grpc

from services.common import tls
from services.common.config import ServerConfig
from services.common.msp import Membership
from services.common.server import Authentication, Listener
from services.ledger.access import ACCESS
from services.ledger.commits import CommitFeed
from services.ledger.deliver import DeliverServicer
from services.ledger.disclosure import Disclosure
from services.ledger.endorser_servicer import EndorserServicer
from services.ledger.gateway import Gateway
from services.ledger.node import Node
from services.ledger.tail import Tail
from services.ledger.workers import Workers


def listener(
    config: ServerConfig,
    node: Node,
    feed: CommitFeed,
    workers: Workers,
    membership: Membership,
    clock: Callable[[], datetime],
    *,
    client_certificates: bool = True,
) -> Listener:
    """Serves a node that has started. Without `client_certificates` whoever signed what a call carries is the caller,
    and `access.py` does not apply."""
    channel_id = node.network.channel
    tail = Tail(node.read, feed, membership, clock)
    gateway = Gateway(channel_id, node.endorsing, node.orderer, feed, node.committed, tail, workers, membership, clock)
    deliver = DeliverServicer(channel_id, tail, Disclosure(node.read, node.private), clock)
    return Listener(
        config.address,
        tls.mutual(config.tls, membership) if client_certificates else tls.server_credentials(config.tls, None),
        [
            (
                gateway_pb2_grpc.add_GatewayServicer_to_server,
                gateway,
                gateway_pb2.DESCRIPTOR.services_by_name["Gateway"].full_name,
            ),
            (
                peer_pb2_grpc.add_EndorserServicer_to_server,
                EndorserServicer(node.endorsing, workers),
                peer_pb2.DESCRIPTOR.services_by_name["Endorser"].full_name,
            ),
            (
                events_pb2_grpc.add_DeliverServicer_to_server,
                deliver,
                events_pb2.DESCRIPTOR.services_by_name["Deliver"].full_name,
            ),
        ],
        Authentication(membership, ACCESS, node.network.orderer_msp, clock) if client_certificates else None,
        config.max_concurrent,
    )
