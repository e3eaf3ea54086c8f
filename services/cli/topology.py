"""The network that `salus network up` and `salus demo` run on one machine: two hospitals, a regulator, an operator.

Pure: which organisations, identities and contracts there are, and where their files lie. Everything is a value here;
`services.cli.network` does the enrolling and the starting.
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
    """Somebody to enrol. `profile` is true for people, who get a command-line profile."""

    msp_id: str
    name: str
    role: str
    node_ou: str = "client"
    profile: bool = False


# The administrators come first: they register everybody else.
ADMINISTRATORS = tuple(Member(msp_id, "admin", "admin", "admin") for msp_id in ORGANISATIONS)
MEMBERS = (
    Member(OPERATOR, "orderer", "ledger", "orderer"),
    *(Member(msp_id, "peer", "ledger", "peer") for msp_id in PEERS),
    Member(HOSPITAL_A, "consent", "consent"),
    Member(HOSPITAL_A, "inference", "inference"),
    Member(REGULATOR, "audit", "audit"),
    Member(HOSPITAL_A, "registrar-a", "registrar", profile=True),
    Member(HOSPITAL_A, "owner-a", "owner", profile=True),
    Member(HOSPITAL_A, "dr-adams", "clinician", profile=True),
    Member(HOSPITAL_B, "dr-baker", "clinician", profile=True),
    Member(REGULATOR, "inspector", "inspector", profile=True),
)
# Which organisation's TLS authority vouches for which service.
SERVERS = {"ledger": OPERATOR, "consent": HOSPITAL_A, "inference": HOSPITAL_A, "audit": REGULATOR}
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

    @property
    def network(self) -> Path:
        return self.root / "network.yaml"

    @property
    def addresses(self) -> Path:
        return self.root / "addresses.json"

    @property
    def blocks(self) -> Path:
        return self.service("ledger") / "data" / "blocks"

    def service(self, name: str) -> Path:
        return self.root / name

    def identity(self, msp_id: str, name: str) -> Path:
        return self.root / "organisations" / msp_id / name

    def tls(self, service: str) -> Path:
        return self.root / "organisations" / SERVERS[service] / "tls" / service

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
                        "name": f"decisions_{msp_id}",
                        "policy": _members(msp_id, REGULATOR),
                        "memberOnlyRead": True,
                        "memberOnlyWrite": True,
                    }
                    for msp_id in (HOSPITAL_A, HOSPITAL_B)
                ],
            },
        },
    }
