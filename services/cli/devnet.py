"""`salus devnet`: one process that is a Fabric network to its clients, for whoever develops chaincode.

What is made once stays: keys and certificates, and the ledger. What the command line says is written anew at each
start: a chaincode, policy or collection that has changed is recorded in a further configuration block; a channel or an
organisation that has changed is refused.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from services.cli.command import add_command
from services.cli.failures import Failure
from services.cli.output import Output

if TYPE_CHECKING:
    from services.cli.blueprint import Blueprint, Layout

BASE_PORT = 7051


def add_parser(subparsers: Any) -> None:
    devnet = add_command(subparsers, "devnet", "run a Fabric network in one process until Ctrl-C", _run)
    devnet.add_argument(
        "--orgs", type=_names, required=True, metavar="MSP,MSP", help="the organisations: Org1MSP,Org2MSP"
    )
    devnet.add_argument("--channel", required=True, metavar="NAME")
    devnet.add_argument("--out", type=Path, required=True, metavar="DIR", help="its files; it goes on where it was")
    devnet.add_argument(
        "--chaincode",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=SPEC",
        help="SPEC: module:Class, looked up from the current folder too; repeats",
    )
    devnet.add_argument(
        "--policy",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=POLICY",
        help="a chaincode's endorsement policy (default: the majority of the organisations' peers); repeats",
    )
    devnet.add_argument(
        "--collections",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="a chaincode's private data collections, in Fabric's JSON; repeats",
    )
    devnet.add_argument(
        "--base-port",
        type=int,
        default=BASE_PORT,
        metavar="PORT",
        help=f"of the first organisation, each next one 2000 higher (default: {BASE_PORT})",
    )


async def _run(arguments: argparse.Namespace, output: Output) -> None:
    from services.cli.blueprint import Layout
    from services.common import logs
    from services.ledger.__main__ import main

    blueprint, layout = _blueprint(arguments), Layout(arguments.out.resolve())
    sys.path.append(str(Path.cwd()))
    for chaincode in blueprint.chaincodes.values():
        _import(chaincode.implementation)
    prepare(blueprint, layout, datetime.now(UTC), os.urandom)
    logs.configure("ledger")
    await main(layout.ledger)


def prepare(blueprint: Blueprint, layout: Layout, now: datetime, entropy: Callable[[int], bytes]) -> None:
    """Writes everything the ledger and its clients read. Raises Failure."""
    import yaml

    from services.cli.blueprint import ORDERER_MSP
    from services.identity import folders

    domains = blueprint.domains()
    documents = {layout.network: blueprint.network(), layout.ledger: blueprint.ledger()}
    _make_crypto(blueprint, layout, now, entropy)
    for msp_id, domain in domains.items():
        for link, target in layout.links(msp_id, domain).items():
            _link(link, target)
    for path, document in documents.items():
        folders.write(path, yaml.safe_dump(document, sort_keys=False).encode())
    roots = {
        msp_id: (layout.crypto / domain.node_folder / "tls" / "ca.crt").read_text()
        for msp_id, domain in domains.items()
        if msp_id != ORDERER_MSP
    }
    folders.write(layout.connection, json.dumps(blueprint.connection(roots), indent=2).encode())


def _make_crypto(blueprint: Blueprint, layout: Layout, now: datetime, entropy: Callable[[int], bytes]) -> None:
    """Makes `crypto-config`, whole or not at all, where there is none."""
    from services.identity import cryptogen

    domains = blueprint.domains()
    if layout.crypto.exists():
        for msp_id, domain in domains.items():
            if not (layout.crypto / domain.folder).is_dir():
                raise Failure("ORGANISATION", f"{layout.crypto} was made without {msp_id}", "give another --out")
        return
    temporary = layout.crypto.with_name(f".{layout.crypto.name}.{secrets.token_hex(4)}")
    try:
        for domain in domains.values():
            cryptogen.write(temporary, domain, now, entropy)
        temporary.replace(layout.crypto)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _link(link: Path, target: Path) -> None:
    """A relative link, so that the folder as a whole can be moved."""
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(target, link.parent))


def _blueprint(arguments: argparse.Namespace) -> Blueprint:
    from services.cli.blueprint import Blueprint, Chaincode, implementation

    specs = _by_name("--chaincode", arguments.chaincode)
    policies = _by_name("--policy", arguments.policy)
    collections = _by_name("--collections", arguments.collections)
    if unknown := sorted({*policies, *collections} - specs.keys()):
        raise Failure("CHAINCODE", f"{unknown[0]} is not among the chaincodes", "name it with --chaincode too")
    chaincodes = {
        name: Chaincode(
            implementation(name, spec),
            policies.get(name),
            _collections(Path(collections[name])) if name in collections else (),
        )
        for name, spec in specs.items()
    }
    return Blueprint(arguments.orgs, arguments.channel, chaincodes, arguments.base_port)


def _collections(path: Path) -> Sequence[Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Failure("COLLECTIONS", f"{path} is no JSON: {error}") from None
    if not isinstance(content, list):
        raise Failure("COLLECTIONS", f"{path} is no list of collections")
    return content


def _import(spec: str) -> None:
    """Fails here, where what is wrong can be told, and not in the ledger."""
    module, _, name = spec.partition(":")
    try:
        found = importlib.import_module(module)
    except Exception as error:
        raise Failure("CHAINCODE", f"{module} cannot be imported: {type(error).__name__}: {error}") from None
    if not hasattr(found, name):
        raise Failure("CHAINCODE", f"{module} has no {name}")


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise argparse.ArgumentTypeError("must be different names with commas between them")
    return names


def _pair(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator and value):
        raise argparse.ArgumentTypeError(f"{text} has no name and value with = between them")
    return name, value


def _by_name(option: str, pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise Failure("CHAINCODE", f"{option} is given twice for one name")
    return found
