"""`network.yaml`: the channel, its organisations, its contracts. Read once, checked whole, turned into values.

    channel: salus
    msp_root: msp                          # <MSPID>/msp/... of every organisation
    orderer: {msp_id: OrdererMSP, identity: FOLDER}     # FOLDER holds cert.pem and key.pem
    organisations:                         # one endorser each
      HospitalAMSP: {peer: FOLDER, config: {models: FOLDER}}
    contracts:
      decisions:
        class: chaincode.decisions:DecisionsContract
        version: "1.0"
        policy: AND('HospitalAMSP.peer','RegulatorMSP.peer')
        config: {regulator: RegulatorMSP}
        collections:
          - name: decisions_HospitalAMSP
            policy: OR('HospitalAMSP.member','RegulatorMSP.member')
            memberOnlyRead: true           # and memberOnlyWrite, requiredPeerCount, maxPeerCount, blockToLive,
                                           # endorsementPolicy: as in Fabric's collection definitions

Paths are relative to the file's folder. A contract is built once an organisation, from its `config`, the organisation's
`config` and `msp_id`; in an organisation's `config`, a text with a slash is a path.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaincode.api.contract import Contract
from services.common.config import ConfigError, build, read
from services.ledger.definitions import Collection, ContractDefinition
from services.ledger.policy import Policy, PolicyError
from services.ledger.policy import parse as parse_policy

_CHANNEL = re.compile(r"[a-z][a-z0-9.-]{0,248}")
_CONTRACT = re.compile(r"[A-Za-z0-9]+([-_][A-Za-z0-9]+)*")
_COLLECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
# Fabric refuses the same (core/chaincode/lifecycle); "_lifecycle" is no name anyway.
_RESERVED = frozenset({"cscc", "escc", "lscc", "qscc", "vscc"})


class NetworkError(ConfigError):
    """`network.yaml` cannot be used. The message names the file, the place in it and what is wrong."""


@dataclass(frozen=True)
class Organisation:
    """An organisation that endorses: where its peer's identity lies, and its contracts' settings."""

    msp_id: str
    peer: Path
    config: Mapping[str, Any]


@dataclass(frozen=True)
class ContractEntry:
    """A contract: what the ledger enforces about it, and what runs."""

    definition: ContractDefinition
    implementation: type[Contract]
    config: Mapping[str, Any]


@dataclass(frozen=True)
class Network:
    """Everything `network.yaml` says."""

    path: Path
    channel: str
    msp_root: Path
    orderer_msp: str
    orderer_identity: Path
    organisations: Mapping[str, Organisation]
    contracts: Mapping[str, ContractEntry]

    @property
    def definitions(self) -> dict[str, ContractDefinition]:
        return {name: entry.definition for name, entry in self.contracts.items()}

    def build_contracts(self, msp_id: str) -> dict[str, Contract]:
        """The organisation's own instance of every contract. Raises NetworkError where one refuses its settings."""
        organisation = self.organisations[msp_id]
        built: dict[str, Contract] = {}
        for name, entry in self.contracts.items():
            settings = {**entry.config, **organisation.config, "msp_id": msp_id}
            try:
                built[name] = entry.implementation.from_config(settings)
            except (ValueError, KeyError, OSError) as error:
                reason = f"setting {error} is missing" if isinstance(error, KeyError) else error
                raise NetworkError(f"{self.path}: contract {name} of {msp_id}: {reason}") from None
        return built


@dataclass(frozen=True)
class _OrdererForm:
    msp_id: str
    identity: Path


@dataclass(frozen=True)
class _OrganisationForm:
    peer: Path
    config: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class _CollectionForm:
    """Keys as Fabric spells them."""

    name: str
    policy: str
    memberOnlyRead: bool = False
    memberOnlyWrite: bool = False
    requiredPeerCount: int = 0
    maxPeerCount: int = 0
    blockToLive: int = 0
    endorsementPolicy: str | None = None


@dataclass(frozen=True)
class _ContractForm:
    version: str
    policy: str
    config: dict[str, Any] = field(default_factory=dict)
    collections: list[_CollectionForm] = field(default_factory=list)


@dataclass(frozen=True)
class _Form:
    """The file, but for the contracts' key `class`, which no field can be called."""

    channel: str
    msp_root: Path
    orderer: _OrdererForm
    organisations: dict[str, _OrganisationForm]
    contracts: dict[str, _ContractForm]


def load(path: Path) -> Network:
    """Reads and checks the file. Raises NetworkError."""
    try:
        content = read(path)
        classes = _take_classes(content)
        form = build(_Form, content, path)
    except ConfigError as error:
        raise NetworkError(str(error)) from None
    if not _CHANNEL.fullmatch(form.channel):
        raise NetworkError(f"{path}: channel must be lower-case letters, digits, dots and dashes")
    if not form.organisations:
        raise NetworkError(f"{path}: organisations must name at least one")
    return Network(
        path=path,
        channel=form.channel,
        msp_root=form.msp_root,
        orderer_msp=form.orderer.msp_id,
        orderer_identity=form.orderer.identity,
        organisations={
            msp_id: Organisation(msp_id, each.peer, _with_paths(each.config, path.parent))
            for msp_id, each in form.organisations.items()
        },
        contracts={
            name: _contract(_Place(path, f"contracts.{name}", frozenset(form.organisations)), name, classes[name], each)
            for name, each in form.contracts.items()
        },
    )


def _take_classes(content: Any) -> dict[str, Any]:
    contracts = content.get("contracts") if isinstance(content, dict) else None
    entries = contracts.items() if isinstance(contracts, dict) else ()
    return {str(name): entry.pop("class", None) for name, entry in entries if isinstance(entry, dict)}


def _with_paths(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    return {
        key: str(folder / value) if isinstance(value, str) and "/" in value else value
        for key, value in settings.items()
    }


@dataclass(frozen=True)
class _Place:
    """Where in the file we are, for the messages, and which organisations there are."""

    path: Path
    where: str
    organisations: frozenset[str]

    def wrong(self, key: str, what: str) -> NetworkError:
        return NetworkError(f"{self.path}: {self.where}{key} {what}")

    def policy(self, key: str, text: str) -> Policy:
        try:
            policy = parse_policy(text)
        except PolicyError as error:
            raise self.wrong(key, str(error)) from None
        unknown = sorted({principal.msp_id for principal in policy.principals} - self.organisations)
        if unknown:
            raise self.wrong(key, f"names {', '.join(unknown)}, which is not among the organisations")
        return policy


def _contract(place: _Place, name: str, implementation: Any, form: _ContractForm) -> ContractEntry:
    if not _CONTRACT.fullmatch(name):
        raise place.wrong("", "is no name: letters and digits, with single dashes or underscores between them")
    if name in _RESERVED:
        raise place.wrong("", "is the name of a system chaincode")
    collections: dict[str, Collection] = {}
    for number, each in enumerate(form.collections):
        inner = _Place(place.path, f"{place.where}.collections[{number}]", place.organisations)
        if each.name in collections:
            raise inner.wrong(".name", f"{each.name} is there twice")
        collections[each.name] = _collection(inner, each)
    definition = ContractDefinition(
        name=name, version=form.version, policy=place.policy(".policy", form.policy), collections=collections
    )
    return ContractEntry(definition, _implementation(place, implementation), form.config)


def _collection(place: _Place, form: _CollectionForm) -> Collection:
    if not _COLLECTION.fullmatch(form.name):
        raise place.wrong(".name", "must be letters, digits, dashes and underscores, and begin with a letter or digit")
    numbers = {
        "requiredPeerCount": form.requiredPeerCount,
        "maxPeerCount": form.maxPeerCount,
        "blockToLive": form.blockToLive,
    }
    for key, value in numbers.items():
        if value < 0:
            raise place.wrong(f".{key}", "must not be negative")
    endorsement = form.endorsementPolicy
    return Collection(
        name=form.name,
        policy=place.policy(".policy", form.policy),
        member_only_read=form.memberOnlyRead,
        member_only_write=form.memberOnlyWrite,
        required_peer_count=form.requiredPeerCount,
        max_peer_count=form.maxPeerCount,
        block_to_live=form.blockToLive,
        endorsement_policy=None if endorsement is None else place.policy(".endorsementPolicy", endorsement),
    )


def _implementation(place: _Place, text: Any) -> type[Contract]:
    if not isinstance(text, str):
        raise place.wrong(".class", "must be a text, written module:Class")
    module, _, name = text.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError):
        raise place.wrong(".class", f"{text} cannot be imported; it is written module:Class") from None
    if not (isinstance(found, type) and issubclass(found, Contract)):
        raise place.wrong(".class", f"{text} is no Contract")
    return found
