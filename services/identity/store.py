"""What identity remembers: registrations, certificates and revocations. Never a private key or a secret.

Each method is one transaction. What a writing method has done is on disk when it returns, whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from cryptography import x509

from services.identity.authority import Revocation
from services.identity.registration import Profile, Registration
from services.identity.sqlite import open_database, transaction


@dataclass(frozen=True)
class Certificate:
    """A certificate that was issued. `expires`: its notAfter."""

    msp_id: str
    profile: Profile
    serial: int
    enrolment_id: str
    pem: bytes
    expires: datetime
    revoked: bool = False


class Store(Protocol):
    """What the registry needs. Pages are ordered by enrolment id."""

    def registration(self, msp_id: str, enrolment_id: str) -> Registration | None: ...

    def register(self, registration: Registration) -> None:
        """Puts the registration in place of a former one; its secret is unspent."""

    def registrations(self, msp_id: str, role: str, after: str, limit: int) -> Sequence[tuple[Registration, int]]:
        """Those of this role, or all but patients without one, past the id `after`; with the certificates of each."""

    def issue(self, certificate: Certificate, *, spend: bool) -> None:
        """Adds a certificate; with `spend` the registration's secret is spent for its profile."""

    def certificate(self, msp_id: str, profile: Profile, serial: int) -> Certificate | None: ...

    def certificates(self, msp_id: str, enrolment_id: str) -> Sequence[Certificate]: ...

    def revoke(
        self,
        msp_id: str,
        serials: Sequence[tuple[Profile, int]],
        entry: tuple[datetime, x509.ReasonFlags],
        closing: str,
    ) -> None:
        """Revokes these certificates, and the registration `closing` unless that is empty."""

    def revocations(self, msp_id: str, profile: Profile, now: datetime) -> Sequence[Revocation]:
        """What is revoked and not yet expired."""

    def next_crl_number(self, msp_id: str) -> int:
        """One more than it gave before."""


_SCHEMA = """
CREATE TABLE IF NOT EXISTS registrations (
    msp_id TEXT, enrolment_id TEXT, node_ou TEXT, role TEXT, attributes TEXT, secret_hash BLOB, expires REAL,
    enrolment_spent TEXT, tls_spent TEXT, revoked INTEGER, PRIMARY KEY (msp_id, enrolment_id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS certificates (
    msp_id TEXT, profile TEXT, serial TEXT, enrolment_id TEXT, pem BLOB, expires REAL, revoked REAL, reason TEXT,
    PRIMARY KEY (msp_id, profile, serial));
CREATE INDEX IF NOT EXISTS certificates_by_holder ON certificates (msp_id, enrolment_id);
CREATE INDEX IF NOT EXISTS certificates_revoked ON certificates (msp_id, profile) WHERE revoked IS NOT NULL;
CREATE TABLE IF NOT EXISTS crls (msp_id TEXT PRIMARY KEY, number INTEGER);
"""
_REGISTRATION = (
    "msp_id, enrolment_id, node_ou, role, attributes, secret_hash, expires, enrolment_spent, tls_spent, revoked"
)
_CERTIFICATE = "msp_id, profile, serial, enrolment_id, pem, expires, revoked"


class SqliteStore:
    """The store in one SQLite file, held by this process alone."""

    def __init__(self, path: Path) -> None:
        """Raises ConfigError when the file is damaged, not writable or in use by another process."""
        self._db = open_database(path, _SCHEMA)

    def close(self) -> None:
        self._db.close()

    def registration(self, msp_id: str, enrolment_id: str) -> Registration | None:
        query = f"SELECT {_REGISTRATION} FROM registrations WHERE msp_id = ? AND enrolment_id = ?"  # noqa: S608
        row = self._db.execute(query, (msp_id, enrolment_id)).fetchone()
        return row and _registration(row)

    def register(self, registration: Registration) -> None:
        values = (
            registration.msp_id,
            registration.enrolment_id,
            registration.node_ou,
            registration.role,
            json.dumps(dict(registration.attributes)),
            registration.secret_hash,
            registration.expires.timestamp(),
        )
        with transaction(self._db) as db:
            db.execute("INSERT OR REPLACE INTO registrations VALUES (?, ?, ?, ?, ?, ?, ?, NULL, NULL, 0)", values)

    def registrations(self, msp_id: str, role: str, after: str, limit: int) -> Sequence[tuple[Registration, int]]:
        query = (
            f"SELECT {_REGISTRATION}, (SELECT count(*) FROM certificates c WHERE c.msp_id = r.msp_id"  # noqa: S608
            " AND c.enrolment_id = r.enrolment_id) FROM registrations r WHERE msp_id = ? AND enrolment_id > ?"
            f" AND {'role = ?' if role else 'role != ?'} ORDER BY enrolment_id LIMIT ?"
        )
        rows = self._db.execute(query, (msp_id, after, role or "patient", limit))
        return [(_registration(row[:-1]), row[-1]) for row in rows]

    def issue(self, certificate: Certificate, *, spend: bool) -> None:
        serial = f"{certificate.serial:x}"
        with transaction(self._db) as db:
            db.execute(
                "INSERT INTO certificates VALUES (?, ?, ?, ?, ?, ?, NULL, NULL)",
                (
                    certificate.msp_id,
                    certificate.profile,
                    serial,
                    certificate.enrolment_id,
                    certificate.pem,
                    certificate.expires.timestamp(),
                ),
            )
            if spend:
                column = f"{certificate.profile}_spent"
                db.execute(
                    f"UPDATE registrations SET {column} = ? WHERE msp_id = ? AND enrolment_id = ?",  # noqa: S608
                    (serial, certificate.msp_id, certificate.enrolment_id),
                )

    def certificate(self, msp_id: str, profile: Profile, serial: int) -> Certificate | None:
        query = f"SELECT {_CERTIFICATE} FROM certificates WHERE msp_id = ? AND profile = ? AND serial = ?"  # noqa: S608
        row = self._db.execute(query, (msp_id, profile, f"{serial:x}")).fetchone()
        return row and _certificate(row)

    def certificates(self, msp_id: str, enrolment_id: str) -> Sequence[Certificate]:
        query = f"SELECT {_CERTIFICATE} FROM certificates WHERE msp_id = ? AND enrolment_id = ?"  # noqa: S608
        return [_certificate(row) for row in self._db.execute(query, (msp_id, enrolment_id))]

    def revoke(
        self,
        msp_id: str,
        serials: Sequence[tuple[Profile, int]],
        entry: tuple[datetime, x509.ReasonFlags],
        closing: str,
    ) -> None:
        time, reason = entry
        with transaction(self._db) as db:
            db.executemany(
                "UPDATE certificates SET revoked = ?, reason = ? WHERE msp_id = ? AND profile = ? AND serial = ?",
                [(time.timestamp(), reason.value, msp_id, profile, f"{serial:x}") for profile, serial in serials],
            )
            if closing:
                db.execute(
                    "UPDATE registrations SET revoked = 1 WHERE msp_id = ? AND enrolment_id = ?", (msp_id, closing)
                )

    def revocations(self, msp_id: str, profile: Profile, now: datetime) -> Sequence[Revocation]:
        rows = self._db.execute(
            "SELECT serial, revoked, reason FROM certificates"
            " WHERE msp_id = ? AND profile = ? AND revoked IS NOT NULL AND expires > ? ORDER BY revoked, serial",
            (msp_id, profile, now.timestamp()),
        )
        return [Revocation(int(row[0], 16), _time(row[1]), x509.ReasonFlags(row[2])) for row in rows]

    def next_crl_number(self, msp_id: str) -> int:
        with transaction(self._db) as db:
            row = db.execute(
                "INSERT INTO crls VALUES (?, 1) ON CONFLICT DO UPDATE SET number = number + 1 RETURNING number",
                (msp_id,),
            ).fetchone()
        return int(row[0])


def _registration(row: Sequence[Any]) -> Registration:
    msp_id, enrolment_id, node_ou, role, attributes, secret_hash, expires, enrolment_spent, tls_spent, revoked = row
    spent = {Profile.ENROLMENT: enrolment_spent, Profile.TLS: tls_spent}
    return Registration(
        msp_id,
        enrolment_id,
        node_ou,
        role,
        json.loads(attributes),
        secret_hash,
        _time(expires),
        {profile: int(serial, 16) for profile, serial in spent.items() if serial is not None},
        bool(revoked),
    )


def _certificate(row: Sequence[Any]) -> Certificate:
    msp_id, profile, serial, enrolment_id, pem, expires, revoked = row
    return Certificate(
        msp_id, Profile(profile), int(serial, 16), enrolment_id, pem, _time(expires), revoked is not None
    )


def _time(timestamp: float) -> datetime:
    return datetime.fromtimestamp(timestamp, UTC)
