"""The network that `salus network up` and `salus demo` run on one machine: two hospitals, a regulator, an operator.

Pure: which organisations, identities and contracts there are, and where their files lie. Everything is a value here;
`services.cli.launcher` does the enrolling and the starting.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOSPITAL_A = "HospitalAMSP"
HOSPITAL_B = "HospitalBMSP"
REGULATOR = "RegulatorMSP"
OPERATOR = "OrdererMSP"

ORGANISATIONS = {
    HOSPITAL_A: "Hospital A",
    HOSPITAL_B: "Hospital B",
    REGULATOR: "Regulator",
    OPERATOR: "Operator",
}
PEERS = (HOSPITAL_A, HOSPITAL_B, REGULATOR)
CHANNEL = "salus"


@dataclass(frozen=True)
class Member:
    """Somebody to enrol. `profile`: name of the command-line profile, for people."""

    msp_id: str
    name: str
    role: str
    node_ou: str = "client"
    profile: str = ""


# The administrators come first: they register everybody else.
ADMINISTRATORS = tuple(
    Member(msp_id, "admin", "admin", "admin", profile=f"admin-{name.lower().replace(' ', '-')}")
    for msp_id, name in ORGANISATIONS.items()
)
MEMBERS = (
    Member(OPERATOR, "orderer", "ledger", "orderer"),
    *(Member(msp_id, "peer", "ledger", "peer") for msp_id in PEERS),
    Member(HOSPITAL_A, "consent", "consent"),
    Member(HOSPITAL_A, "inference", "inference"),
    Member(REGULATOR, "audit", "audit"),
    Member(HOSPITAL_A, "registrar-a", "registrar", profile="registrar-a"),
    Member(HOSPITAL_A, "owner-a", "owner", profile="owner-a"),
    Member(HOSPITAL_A, "dr-adams", "clinician", profile="dr-adams"),
    Member(HOSPITAL_B, "dr-baker", "clinician", profile="dr-baker"),
    Member(REGULATOR, "inspector", "inspector", profile="inspector"),
)
# Whose identity each server runs as; its organisation's TLS authority vouches for it.
SERVERS = {
    "ledger": (OPERATOR, "orderer"),
    "consent": (HOSPITAL_A, "consent"),
    "inference": (HOSPITAL_A, "inference"),
    "audit": (REGULATOR, "audit"),
}
# The services in the order in which they start.
SERVICES = ("identity", "ledger", "consent", "inference", "audit")
PORTS = {"identity": 7101, "enrolment": 7102, "ledger": 7051, "consent": 7103, "inference": 7104, "audit": 7105}


@dataclass(frozen=True)
class Layout:
    """Where everything lies below one folder."""

    root: Path

    @property
    def msp(self) -> Path:
        return self.root / "msp"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def tls_roots(self) -> Path:
        """Every organisation's TLS root, concatenated, as clients need it."""
        return self.root / "tls_roots.pem"

    def tls_root(self, msp_id: str) -> Path:
        """One organisation's TLS root, as identity publishes it."""
        return self.msp / msp_id / "msp" / "tlscacerts" / "tlsca.pem"

    @property
    def network(self) -> Path:
        return self.root / "network.yaml"

    @property
    def blocks(self) -> Path:
        return self.service("ledger") / "data" / "blocks"

    def service(self, name: str) -> Path:
        return self.root / name

    def identity(self, msp_id: str, name: str) -> Path:
        return self.root / "organisations" / msp_id / name

    def tls(self, service: str) -> Path:
        return self.root / "organisations" / SERVERS[service][0] / "tls" / service

    def patient(self, pseudonym: str) -> Path:
        """Where a patient of hospital A keeps their identity."""
        return self.root / "organisations" / HOSPITAL_A / "patients" / pseudonym

    def models(self, msp_id: str) -> Path:
        return self.root / "organisations" / msp_id / "models"

    def profile(self, name: str) -> Path:
        return self.root / "profiles" / f"{name}.yaml"


def _members(*msp_ids: str) -> str:
    return "OR(" + ",".join(f"'{msp_id}.member'" for msp_id in msp_ids) + ")"


def _peers(rule: str, *msp_ids: str) -> str:
    return rule + ",".join(f"'{msp_id}.peer'" for msp_id in msp_ids) + ")"


def network_config(layout: Layout) -> dict[str, Any]:
    """`network.yaml`: the channel, who endorses, and each contract's policy and collections.

    `decisions` needs hospital A and the regulator; a consent or a model's change of state, any two organisations.
    """
    two_of_three = _peers("OutOf(2,", *PEERS)
    return {
        "channel": CHANNEL,
        "msp_root": "msp",
        "orderer": {"msp_id": OPERATOR, "identity": str(layout.identity(OPERATOR, "orderer").relative_to(layout.root))},
        "organisations": {
            msp_id: {
                "peer": str(layout.identity(msp_id, "peer").relative_to(layout.root)),
                "config": {"models": str(layout.models(msp_id).relative_to(layout.root))},
            }
            for msp_id in PEERS
        },
        "contracts": {
            "consent": {
                "class": "chaincode.consent:ConsentContract",
                "version": "1.0",
                "policy": two_of_three,
                "collections": [
                    {
                        "name": "consents",
                        "policy": _members(*PEERS),
                        "memberOnlyRead": True,
                        # Patients write their own consents; their organisation is a member.
                        "memberOnlyWrite": True,
                    }
                ],
            },
            "models": {
                "class": "chaincode.models:ModelsContract",
                "version": "1.0",
                "policy": two_of_three,
                "config": {"regulator": REGULATOR},
            },
            "decisions": {
                "class": "chaincode.decisions:DecisionsContract",
                "version": "1.0",
                "policy": _peers("AND(", HOSPITAL_A, REGULATOR),
                "collections": [
                    {
                        "name": f"decisions_{HOSPITAL_A}",
                        "policy": _members(HOSPITAL_A, REGULATOR),
                        "memberOnlyRead": True,
                        "memberOnlyWrite": True,
                    }
                ],
            },
        },
    }


def service_config(name: str, layout: Layout, address: str, ledger: str) -> dict[str, Any]:
    """`config.yaml` of ledger, consent, inference or audit, with paths relative to the service's folder."""
    msp_id, member = SERVERS[name]
    config: dict[str, Any] = {
        "server": {
            "address": address,
            "tls": _up(layout, layout.tls(name)),
            "msp_root": _up(layout, layout.msp),
        }
    }
    if name == "ledger":
        return config | {"network": _up(layout, layout.network), "data": "data"}
    config |= {
        "msp_id": msp_id,
        "identity": _up(layout, layout.identity(msp_id, member)),
        # The ledger is whoever the operator's authority vouches for, and nobody else's.
        "ledger": {"address": ledger, "tls_roots": _up(layout, layout.tls_root(OPERATOR)), "channel": CHANNEL},
    }
    if name == "inference":
        config["models"] = _up(layout, layout.models(msp_id))
    if name == "audit":
        config["data"] = "data"
    return config


def identity_config(layout: Layout, address: str, enrolment_address: str) -> dict[str, Any]:
    """`config.yaml` of identity, which makes its own TLS certificate and everybody's membership."""
    return {
        "server": {"address": address, "tls": "tls", "msp_root": _up(layout, layout.msp)},
        "enrolment_address": enrolment_address,
        "home": "home",
        "organisations": [{"msp_id": msp_id, "name": name} for msp_id, name in ORGANISATIONS.items()],
        "operator": OPERATOR,
    }


def _up(layout: Layout, path: Path) -> str:
    """A path below the root as seen from one folder below it."""
    return str(Path("..") / path.relative_to(layout.root))
