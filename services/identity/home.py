"""What the service finds or makes when it starts: organisations, stores, its own TLS certificate, first secrets.

Order: the stores, the organisations' keys, the membership folders, the service's own certificate, the administrators'
secrets. Each step is skipped where its result is on disk, so a start that was cut short is completed by the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from services.common.config import ConfigError
from services.common.signer import load_key, read_pem
from services.identity import folders, organisation
from services.identity.authority import Subject, general_name
from services.identity.config import IdentityConfig
from services.identity.mapping import SqliteMapping
from services.identity.organisation import Entropy, Organisation
from services.identity.registration import Profile
from services.identity.registry import Registry
from services.identity.store import SqliteStore

ADMINISTRATOR = "admin"
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class Home:
    """The registry on its files. Closed at the end."""

    registry: Registry
    store: SqliteStore
    mapping: SqliteMapping

    def close(self) -> None:
        self.store.close()
        self.mapping.close()


def open_home(config: IdentityConfig, clock: Callable[[], datetime], entropy: Entropy) -> Home:
    """Opens the service's files, making what is missing. Raises ConfigError naming what cannot be used."""
    try:
        return _open(config, clock, entropy)
    except OSError as error:
        raise ConfigError(f"cannot use {error.filename or config.home}: {error.strerror}") from None


def _open(config: IdentityConfig, clock: Callable[[], datetime], entropy: Entropy) -> Home:
    now, data = clock(), config.home / "data"
    old = [each.msp_id for each in config.organisations if organisation.exists(config.home, each.msp_id)]
    files = (data / "identity.sqlite3", data / "pseudonyms.sqlite3")
    for path in files if old else ():
        # A new store would let every revoked certificate in again.
        if not path.exists():
            raise ConfigError(f"{path} is missing although {old[0]} exists; restore it from a backup")
    config.home.mkdir(parents=True, exist_ok=True)
    store, mapping = SqliteStore(files[0]), SqliteMapping(files[1])
    organisations = [
        organisation.load(config.home, each.msp_id, each.name, now)
        if each.msp_id in old
        else organisation.create(config.home, each.msp_id, each.name, now, entropy)
        for each in config.organisations
    ]
    registry = Registry(
        organisations,
        store,
        mapping,
        config.server.msp_root,
        secret_lifetime=timedelta(days=config.secret_days),
        clock=clock,
        entropy=entropy,
    )
    registry.publish_all()
    operator = next(each for each in organisations if each.msp_id == config.operator)
    _own_certificate(config, operator, now, entropy)
    for each in organisations:
        _bootstrap(registry, config.home / "bootstrap" / each.msp_id, each.msp_id, now)
    return Home(registry, store, mapping)


def _own_certificate(config: IdentityConfig, operator: Organisation, now: datetime, entropy: Entropy) -> None:
    """Makes the service's TLS certificate where there is none, it ends soon, or it has other names."""
    folder, names = config.server.tls, [general_name(each) for each in config.names]
    if (folder / "cert.pem").exists():
        try:
            leaf = x509.load_pem_x509_certificate(read_pem(folder / "cert.pem"))
            named = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, x509.ExtensionNotFound):
            raise ConfigError(f"{folder / 'cert.pem'} is no usable certificate") from None
        load_key(folder / "key.pem")
        if now < leaf.not_valid_after_utc - RENEW_BEFORE and list(named) == names:
            return
    key = ec.generate_private_key(ec.SECP256R1())
    subject = Subject("identity", "client", {})
    made = operator.tls_ca.issue_tls(key.public_key(), subject, names, now, organisation.serial_number(entropy))
    # Without its certificate the folder counts as empty, so a crash in between leaves no mismatched pair.
    (folder / "cert.pem").unlink(missing_ok=True)
    folders.write_identity(folder, key, made.public_bytes(Encoding.PEM))


def _bootstrap(registry: Registry, path: Path, msp_id: str, now: datetime) -> None:
    """Writes a one-time secret for the organisation's first administrator, until that has enrolled."""
    found = registry.registration(msp_id, ADMINISTRATOR)
    if found is not None and (found.revoked or Profile.ENROLMENT in found.spent):
        return
    if found is not None and path.exists() and now < found.expires:
        return
    secret = registry.admit(msp_id, ADMINISTRATOR, "admin", ADMINISTRATOR, {})
    folders.write_secret(path, secret.text.encode())
