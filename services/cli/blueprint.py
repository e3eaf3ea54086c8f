"""What `salus devnet` is asked for, and the files that say so to the ledger and to clients. Pure.

An organisation `Org1MSP` has the domain `org1.example.com`. Its gateway listens on a port of its own: the first
organisation's on the base port, each next one's PORT_STEP higher.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.cli.failures import Failure
from services.identity.cryptogen import ORDERER, Domain, peer_domain

ORDERER_MSP = "OrdererMSP"
PORT_STEP = 2_000
LAST_PORT = 65_535
APPLICATION_POLICY = "/Channel/Application/Endorsement"
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_CLASS = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_COLLECTION_KEYS = {
    "name",
    "policy",
    "requiredPeerCount",
    "maxPeerCount",
    "blockToLive",
    "memberOnlyRead",
    "memberOnlyWrite",
}


@dataclass(frozen=True)
class Layout:
    """Where everything lies below one folder. `nodes` and `msp` hold links into `crypto`."""

    root: Path

    @property
    def crypto(self) -> Path:
        return self.root / "crypto-config"

    @property
    def connection(self) -> Path:
        return self.root / "connection.json"

    @property
    def ledger(self) -> Path:
        return self.root / "ledger.yaml"

    @property
    def network(self) -> Path:
        return self.root / "network.yaml"

    def links(self, msp_id: str, domain: Domain) -> dict[Path, Path]:
        """The ledger's names for an organisation's files in `crypto-config`."""
        node, member = self.root / "nodes" / msp_id, self.crypto / domain.node_folder
        return {
            self.root / "msp" / msp_id / "msp": self.crypto / domain.msp,
            node / "cert.pem": member / "msp" / "signcerts" / f"{domain.node}-cert.pem",
            node / "key.pem": member / "msp" / "keystore" / "priv_sk",
            node / "tls" / "cert.pem": member / "tls" / "server.crt",
            node / "tls" / "key.pem": member / "tls" / "server.key",
        }


@dataclass(frozen=True)
class Chaincode:
    """`implementation` is module:Class. `policy` None: the majority of the organisations' peers. `collections`: the
    content of Fabric's collections file."""

    implementation: str
    policy: str | None
    collections: Sequence[Any]


@dataclass(frozen=True)
class Blueprint:
    """A network to run."""

    organisations: Sequence[str]
    channel: str
    chaincodes: Mapping[str, Chaincode]
    base_port: int

    def domains(self) -> dict[str, Domain]:
        """Every organisation's domain, the orderer's included. Raises Failure where they cannot be told apart."""
        found: dict[str, Domain] = {}
        for msp_id in self.organisations:
            label = msp_id.removesuffix("MSP").lower()
            if not _LABEL.fullmatch(label) or msp_id == ORDERER_MSP:
                raise Failure("ORGANISATION", f"{msp_id} is no name for an organisation", "for instance Org1MSP")
            if (domain := peer_domain(label)) in found.values():
                raise Failure("ORGANISATION", f"{msp_id} and another organisation would both be {domain.name}")
            found[msp_id] = domain
        return {**found, ORDERER_MSP: ORDERER}

    def ports(self) -> dict[str, int]:
        """Every organisation's port. Raises Failure where one would be beyond the last."""
        ports = {msp_id: self.base_port + PORT_STEP * number for number, msp_id in enumerate(self.organisations)}
        if self.base_port < 1 or max(ports.values()) > LAST_PORT:
            raise Failure("PORT", f"the ports {', '.join(map(str, ports.values()))} are not all between 1 and 65535")
        return ports

    def majority(self) -> str:
        """Fabric's default endorsement policy: the majority of the organisations, by a peer of each."""
        peers = ", ".join(f"'{msp_id}.peer'" for msp_id in self.organisations)
        return f"OutOf({len(self.organisations) // 2 + 1}, {peers})"

    def network(self) -> dict[str, Any]:
        """`network.yaml`. Raises Failure for collections that are not understood."""
        return {
            "channel": self.channel,
            "msp_root": "msp",
            "orderer": {"msp_id": ORDERER_MSP, "identity": f"nodes/{ORDERER_MSP}"},
            "organisations": {msp_id: {"peer": f"nodes/{msp_id}"} for msp_id in self.organisations},
            "contracts": {
                name: {
                    "class": each.implementation,
                    "version": "1.0",
                    "policy": each.policy or self.majority(),
                    "collections": [self._collection(name, collection) for collection in each.collections],
                }
                for name, each in self.chaincodes.items()
            },
        }

    def ledger(self) -> dict[str, Any]:
        """`ledger.yaml`. The first organisation's port is the main one."""
        (first, port), *others = self.ports().items()
        return {
            "server": {"address": f"127.0.0.1:{port}", "tls": f"nodes/{first}/tls", "msp_root": "msp"},
            "gateways": {
                msp_id: {"address": f"127.0.0.1:{port}", "tls": f"nodes/{msp_id}/tls"} for msp_id, port in others
            },
            "client_certificates": "none",
            "network": "network.yaml",
            "data": "ledger",
        }

    def connection(self, tls_roots: Mapping[str, str]) -> dict[str, Any]:
        """A connection profile as Fabric's tools read it. `tls_roots`: every organisation's TLS root in PEM."""
        domains, ports = self.domains(), self.ports()
        first = self.organisations[0]
        return {
            "name": f"salus-devnet-{self.channel}",
            "version": "1.0.0",
            "client": {"organization": first},
            "channels": {self.channel: {"peers": {domains[each].node: {} for each in self.organisations}}},
            "organizations": {
                msp_id: {"mspid": msp_id, "peers": [domains[msp_id].node]} for msp_id in self.organisations
            },
            "peers": {
                domains[msp_id].node: {
                    "url": f"grpcs://localhost:{port}",
                    "tlsCACerts": {"pem": tls_roots[msp_id]},
                    "grpcOptions": {
                        "ssl-target-name-override": domains[msp_id].node,
                        "hostnameOverride": domains[msp_id].node,
                    },
                }
                for msp_id, port in ports.items()
            },
        }

    def _collection(self, chaincode: str, given: Any) -> dict[str, Any]:
        """A collection of Fabric's JSON as `network.yaml` has it."""
        if not isinstance(given, dict):
            raise Failure("COLLECTIONS", f"a collection of {chaincode} is no JSON object")
        collection = {key: value for key, value in given.items() if key != "endorsementPolicy"}
        if unknown := sorted(collection.keys() - _COLLECTION_KEYS):
            raise Failure("COLLECTIONS", f"a collection of {chaincode} has the unknown key {unknown[0]}")
        if endorsement := given.get("endorsementPolicy"):
            collection["endorsementPolicy"] = self._endorsement(chaincode, endorsement)
        return collection

    def _endorsement(self, chaincode: str, given: Any) -> Any:
        match given:
            case {"signaturePolicy": policy, **others} if not others:
                return policy
            case {"channelConfigPolicy": policy, **others} if not others and policy == APPLICATION_POLICY:
                return self.majority()
        raise Failure(
            "COLLECTIONS",
            f"an endorsementPolicy of {chaincode} is neither a signaturePolicy nor the channelConfigPolicy "
            f"{APPLICATION_POLICY}",
        )


def implementation(name: str, spec: str) -> str:
    """module:Class of what `--chaincode NAME=SPEC` says. Raises Failure for what is not supported."""
    if not _CLASS.fullmatch(spec):
        raise Failure(
            "CHAINCODE",
            f"{spec} of {name} is not module:Class",
            "chaincode runs in the ledger's process; chaincode as a service, host:port, is not supported yet",
        )
    return spec
