"""A network's organisations for tests: certificate authorities, members and MSP folders, made in process."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from services.common.signer import Signer
from services.identity import folders
from services.identity.authority import Authority, Revocation, Subject, general_name

MSP_IDS = ("HospitalAMSP", "HospitalBMSP", "RegulatorMSP", "OrdererMSP")


def _serial() -> int:
    return int.from_bytes(secrets.token_bytes(16)) >> 1


@dataclass
class Organisation:
    """One organisation's two authorities and what they have revoked."""

    msp_id: str
    ca: Authority
    tls_ca: Authority
    revoked: list[Revocation] = field(default_factory=list)

    @classmethod
    def create(cls, msp_id: str) -> Organisation:
        now = datetime.now(UTC)
        return cls(
            msp_id,
            Authority.create(f"ca.{msp_id}", msp_id, now, _serial()),
            Authority.create(f"tlsca.{msp_id}", msp_id, now, _serial()),
        )


class Organisations:
    """Organisations below one folder; `msp_root` is what services are configured with."""

    def __init__(self, root: Path, members: Mapping[str, Organisation]) -> None:
        self.root, self.members = root, dict(members)
        self.msp_root = root / "msp"
        for organisation in self.members.values():
            self._publish(organisation)

    @property
    def tls_roots(self) -> Path:
        """A file with every organisation's TLS root."""
        path = self.root / "tls_roots.pem"
        path.write_bytes(b"".join(each.tls_ca.pem for each in self.members.values()))
        return path

    def enrol(
        self,
        msp_id: str,
        name: str,
        *,
        role: str = "",
        node_ou: str = "client",
        attributes: Mapping[str, str] | None = None,
        now: datetime | None = None,
    ) -> Path:
        """An enrolled identity: a folder with cert.pem and key.pem. A `now` in the past makes an expired one."""
        folder, key = self.root / "organisations" / msp_id / name, ec.generate_private_key(ec.SECP256R1())
        subject = Subject(name, node_ou, {**({"role": role} if role else {}), **(attributes or {})})
        issued = self.members[msp_id].ca.issue_enrolment(key.public_key(), subject, now or datetime.now(UTC), _serial())
        folders.write_identity(folder, key, issued.public_bytes(Encoding.PEM))
        return folder

    def tls(self, msp_id: str, name: str) -> Path:
        """A server's TLS certificate for localhost: a folder with cert.pem and key.pem."""
        folder, key = self.root / "organisations" / msp_id / "tls" / name, ec.generate_private_key(ec.SECP256R1())
        names = [general_name("localhost"), general_name("127.0.0.1")]
        issued = self.members[msp_id].tls_ca.issue_tls(
            key.public_key(), Subject(name, "peer", {}), names, datetime.now(UTC), _serial()
        )
        folders.write_identity(folder, key, issued.public_bytes(Encoding.PEM))
        return folder

    def signer(self, msp_id: str, name: str) -> Signer:
        """The signer of somebody already enrolled."""
        return Signer.load(msp_id, self.root / "organisations" / msp_id / name)

    def revoke(self, msp_id: str, folder: Path) -> None:
        """Revokes the certificate in `folder` and publishes the list."""
        organisation = self.members[msp_id]
        leaf = x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes())
        organisation.revoked.append(Revocation(leaf.serial_number, datetime.now(UTC) - timedelta(minutes=1)))
        self._publish(organisation)

    def _publish(self, organisation: Organisation) -> None:
        now, number = datetime.now(UTC), len(organisation.revoked) + 1
        crls = organisation.ca.crl(organisation.revoked, now, number) + organisation.tls_ca.crl((), now, number)
        folders.write_msp(self.msp_root, organisation.msp_id, organisation.ca.pem, organisation.tls_ca.pem, crls)
