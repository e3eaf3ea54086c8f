"""What the identity service does, without gRPC: register, enrol, revoke, publish, name patients.

Every decision about who may do what to whom is here, but for the callers' roles, which `access.py` has. Callers act on
their own organisation only. Methods raise the RegistryErrors; the registry is not for several threads at once.

A revocation is durable before its list is published, and every list is published again at start, so that no crash
loses one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from services.identity import folders, pseudonym, registration
from services.identity.authority import SERIAL_BYTES, CsrError, read_csr
from services.identity.errors import (
    AlreadyEnrolledError,
    InvalidRequestError,
    NotAllowedError,
    NotFoundError,
    SecretError,
)
from services.identity.mapping import Mapping as PseudonymMapping
from services.identity.organisation import Entropy, Organisation, serial_number
from services.identity.registration import REGISTRAR_ROLES, Profile, Registration
from services.identity.store import Certificate, Store

REGISTRAR = "registrar"


@dataclass(frozen=True)
class Caller:
    """Who asks: organisation, enrolment id and role."""

    msp_id: str
    enrolment_id: str
    role: str


@dataclass(frozen=True)
class Issued:
    """A certificate and what its holder needs beside it, in PEM."""

    certificate: bytes
    issuer: bytes
    tls_roots: bytes


@dataclass(frozen=True)
class Secret:
    """A one-time secret, shown this once."""

    text: str
    expires: datetime


class Registry:
    """The organisations of one network, whose lists are published below `msp_root`."""

    def __init__(
        self,
        organisations: Sequence[Organisation],
        store: Store,
        mapping: PseudonymMapping,
        msp_root: Path,
        *,
        secret_lifetime: timedelta,
        clock: Callable[[], datetime],
        entropy: Entropy,
    ) -> None:
        self._organisations = {each.msp_id: each for each in organisations}
        self._store, self._mapping, self._msp_root = store, mapping, msp_root
        self._secret_lifetime, self._clock, self._entropy = secret_lifetime, clock, entropy
        self._tls_roots = b"".join(each.tls_ca.pem for each in self.organisations())
        self._crls: dict[str, bytes] = {}

    def organisations(self) -> Sequence[Organisation]:
        """By MSP id."""
        return [self._organisations[msp_id] for msp_id in sorted(self._organisations)]

    def register(
        self, caller: Caller, enrolment_id: str, node_ou: str, role: str, attributes: Mapping[str, str]
    ) -> Secret:
        """Lets somebody enrol. Done again before they have, it replaces the former registration and its secret."""
        violations = registration.violations(enrolment_id, node_ou, role, attributes)
        if violations:
            raise InvalidRequestError(violations)
        self._may_handle(caller, role)
        msp_id = self._organisation(caller.msp_id).msp_id
        if role == "patient" and not self._mapping.knows(msp_id, enrolment_id):
            raise InvalidRequestError([("enrolment_id", "is no pseudonym in force; ask GetPseudonym for one")])
        former = self._store.registration(msp_id, enrolment_id)
        if former is not None:
            # Else a registrar could take over a clinician's id, or anybody's, by replacing its secret.
            if former.revoked or former.spent:
                raise AlreadyEnrolledError("the enrolment id was enrolled or revoked before")
            self._may_handle(caller, former.role)
        return self.admit(msp_id, enrolment_id, node_ou, role, attributes)

    def admit(self, msp_id: str, enrolment_id: str, node_ou: str, role: str, attributes: Mapping[str, str]) -> Secret:
        """Registers with a new secret, asking nobody. For `register`, and for an organisation's first administrator."""
        text = registration.secret_text(self._entropy(registration.SECRET_BYTES))
        expires = self._clock() + self._secret_lifetime
        self._store.register(
            Registration(msp_id, enrolment_id, node_ou, role, attributes, registration.secret_hash(text), expires)
        )
        return Secret(text, expires)

    def enrol(self, msp_id: str, enrolment_id: str, secret: str, csr: bytes, profile: Profile) -> Issued:
        """Exchanges a secret for a certificate. A caller that lost the answer gets the same certificate again for the
        same secret and key; with another key the secret is spent."""
        found = self._store.registration(msp_id, enrolment_id)
        if not registration.opens(found, secret, self._clock()) or found is None or msp_id not in self._organisations:
            raise SecretError
        key, names = _read(csr)
        if (serial := found.spent.get(profile)) is None:
            return self._issue(found, key, names, profile, spend=True)
        former = self._store.certificate(msp_id, profile, serial)
        if former is None or former.revoked or x509.load_pem_x509_certificate(former.pem).public_key() != key:
            raise SecretError
        return self._issued(former.pem, msp_id, profile)

    def reenrol(self, caller: Caller, csr: bytes, profile: Profile) -> Issued:
        """A further certificate for the caller, with the attributes registered."""
        found = self._store.registration(caller.msp_id, caller.enrolment_id)
        if found is None or found.revoked:
            raise NotAllowedError("the caller is not registered here")
        return self._issue(found, *_read(csr), profile, spend=False)

    def revoke(
        self, caller: Caller, *, enrolment_id: str = "", serial: str = "", reason: x509.ReasonFlags
    ) -> Sequence[str]:
        """Revokes by enrolment id or by serial number and publishes the list. Returns the serial numbers."""
        msp_id = self._organisation(caller.msp_id).msp_id
        if enrolment_id:
            targets = self._store.certificates(msp_id, enrolment_id)
        else:
            number = _serial(serial)
            targets = [
                found for profile in Profile if (found := self._store.certificate(msp_id, profile, number)) is not None
            ]
        holder = self._store.registration(msp_id, enrolment_id or (targets[0].enrolment_id if targets else ""))
        if holder is None:
            raise NotFoundError("the organisation has no such registration or certificate")
        self._may_handle(caller, holder.role)
        fresh = [each for each in targets if not each.revoked]
        self._store.revoke(
            msp_id,
            [(each.profile, each.serial) for each in fresh],
            (self._clock(), reason),
            closing=enrolment_id,
        )
        self.publish(msp_id)
        return [f"{each.serial:0{2 * SERIAL_BYTES}x}" for each in fresh]

    def publish(self, msp_id: str) -> None:
        """Signs the organisation's revocation lists and puts them into its MSP folder; in force on return."""
        organisation, now = self._organisations[msp_id], self._clock()
        number = self._store.next_crl_number(msp_id)
        crls = b"".join(
            authority.crl(self._store.revocations(msp_id, profile, now), now, number)
            for profile, authority in ((Profile.ENROLMENT, organisation.ca), (Profile.TLS, organisation.tls_ca))
        )
        folders.write_crls(self._msp_root, msp_id, crls)
        self._crls[msp_id] = crls

    def publish_all(self) -> None:
        """Publishes every organisation's roots and lists: at start, and often enough that no list runs out."""
        for msp_id, organisation in self._organisations.items():
            self.publish(msp_id)
            folders.write_roots(self._msp_root, msp_id, organisation.ca.pem, organisation.tls_ca.pem)

    def crl(self, msp_id: str) -> bytes:
        """The lists last published."""
        return self._crls[self._organisation(msp_id).msp_id]

    def registrations(self, caller: Caller, role: str, after: str, limit: int) -> Sequence[tuple[Registration, int]]:
        """The organisation's registrations past the id `after`, with the number of certificates of each."""
        return self._store.registrations(self._organisation(caller.msp_id).msp_id, role, after, limit)

    def registration(self, msp_id: str, enrolment_id: str) -> Registration | None:
        """Somebody's registration, if any."""
        return self._store.registration(msp_id, enrolment_id)

    def pseudonym(self, caller: Caller, identifier: str) -> str:
        """The patient's pseudonym, made at first use."""
        organisation, normal, locator = self._locate(caller, identifier)
        found = self._mapping.find(organisation.msp_id, locator)
        if found is None:
            found = pseudonym.make(organisation.pseudonym_key, normal, self._entropy(pseudonym.SALT_BYTES))
            self._mapping.add(organisation.msp_id, locator, found)
        return found

    def erase_pseudonym(self, caller: Caller, *, identifier: str = "", name: str = "") -> None:
        """Forgets whose pseudonym it is, by the patient's identifier or by the pseudonym `name`."""
        if identifier:
            organisation, _, locator = self._locate(caller, identifier)
            erased = self._mapping.erase(organisation.msp_id, locator=locator)
        else:
            if not registration.is_pseudonym(name):
                raise InvalidRequestError([("pseudonym", "must be 32 lower-case hexadecimal characters")])
            erased = self._mapping.erase(self._organisation(caller.msp_id).msp_id, pseudonym=name)
        if not erased:
            raise NotFoundError("the organisation has no such pseudonym")

    def _locate(self, caller: Caller, identifier: str) -> tuple[Organisation, str, bytes]:
        organisation = self._organisation(caller.msp_id)
        try:
            normal = pseudonym.normalise(identifier)
        except ValueError as error:
            raise InvalidRequestError([("patient_identifier", str(error))]) from None
        return organisation, normal, pseudonym.locator(organisation.pseudonym_key, normal)

    def _issue(
        self,
        holder: Registration,
        key: ec.EllipticCurvePublicKey,
        names: Sequence[x509.GeneralName],
        profile: Profile,
        *,
        spend: bool,
    ) -> Issued:
        organisation, now, serial = self._organisation(holder.msp_id), self._clock(), serial_number(self._entropy)
        if profile is Profile.ENROLMENT:
            made = organisation.ca.issue_enrolment(key, holder.subject, now, serial)
        else:
            if not holder.may_serve:
                raise NotAllowedError("TLS certificates are issued to services only")
            if not names or not all(isinstance(name, x509.DNSName | x509.IPAddress) for name in names):
                raise InvalidRequestError([("csr", "must name host names or IP addresses as alternative names")])
            made = organisation.tls_ca.issue_tls(key, holder.subject, names, now, serial)
        pem = made.public_bytes(Encoding.PEM)
        certificate = Certificate(holder.msp_id, profile, serial, holder.enrolment_id, pem, made.not_valid_after_utc)
        self._store.issue(certificate, spend=spend)
        return self._issued(pem, holder.msp_id, profile)

    def _issued(self, pem: bytes, msp_id: str, profile: Profile) -> Issued:
        organisation = self._organisations[msp_id]
        issuer = organisation.ca if profile is Profile.ENROLMENT else organisation.tls_ca
        return Issued(pem, issuer.pem, self._tls_roots)

    def _organisation(self, msp_id: str) -> Organisation:
        if (found := self._organisations.get(msp_id)) is None:
            raise NotFoundError("the organisation is not kept by this service")
        return found

    @staticmethod
    def _may_handle(caller: Caller, role: str) -> None:
        """A registrar handles clinicians and patients only."""
        if caller.role == REGISTRAR and role not in REGISTRAR_ROLES:
            raise NotAllowedError(f"a registrar handles roles {' and '.join(sorted(REGISTRAR_ROLES))} only")


def _read(csr: bytes) -> tuple[ec.EllipticCurvePublicKey, Sequence[x509.GeneralName]]:
    try:
        return read_csr(csr)
    except CsrError as error:
        raise InvalidRequestError([("csr", str(error))]) from None


def _serial(text: str) -> int:
    try:
        return int(text, 16)
    except ValueError:
        raise InvalidRequestError([("serial", "must be lower-case hexadecimal")]) from None
