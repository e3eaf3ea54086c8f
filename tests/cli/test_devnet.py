"""`salus devnet`: what it makes, how it goes on, and what it refuses in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.cli.__main__ import run
from services.cli.blueprint import Blueprint, Chaincode, Layout, implementation
from services.cli.devnet import prepare
from services.cli.failures import Failure
from services.common import tls
from services.common.signer import Signer
from services.ledger import network
from services.ledger.client import LedgerClient
from tests.cli.devnet import COLLECTIONS, ROOT, SAMPLE, command, devnet, free_base_port

TWO = ("Org1MSP", "Org2MSP")
CLASS = "tests.ledger.sample_contract:SampleContract"


def blueprint(organisations: tuple[str, ...] = TWO, port: int = 7051, **chaincode: Any) -> Blueprint:
    values = {"implementation": CLASS, "policy": None, "collections": ()} | chaincode
    return Blueprint(organisations, "mychannel", {"basic": Chaincode(**values)}, port)


@pytest.mark.parametrize(
    ("organisations", "policy"),
    [
        (("Org1MSP",), "AND('Org1MSP.peer')"),
        (TWO, "AND('Org1MSP.peer', 'Org2MSP.peer')"),
        ((*TWO, "Org3MSP"), "OutOf(2, 'Org1MSP.peer', 'Org2MSP.peer', 'Org3MSP.peer')"),
    ],
)
def test_the_default_policy_is_the_majority(tmp_path: Path, organisations: tuple[str, ...], policy: str) -> None:
    prepare(blueprint(organisations), Layout(tmp_path), datetime.now(UTC), os.urandom)
    described = network.load(tmp_path / "network.yaml")
    assert str(described.definitions["basic"].policy) == policy
    assert tuple(described.organisations) == organisations


def test_a_collections_file_is_fabrics(tmp_path: Path) -> None:
    given = [*COLLECTIONS, {"name": "both", "policy": "OR('Org1MSP.member','Org2MSP.member')", "blockToLive": 3}]
    given[1]["endorsementPolicy"] = {"channelConfigPolicy": "/Channel/Application/Endorsement"}
    prepare(blueprint(collections=given), Layout(tmp_path), datetime.now(UTC), os.urandom)
    collections = network.load(tmp_path / "network.yaml").definitions["basic"].collections
    assert (collections["org1"].max_peer_count, collections["org1"].member_only_read) == (1, True)
    assert str(collections["org1"].endorsement_policy) == "AND('Org1MSP.peer')"
    assert str(collections["both"].endorsement_policy) == "AND('Org1MSP.peer', 'Org2MSP.peer')"
    assert collections["both"].block_to_live == 3


@pytest.mark.parametrize(
    "collection",
    [
        "org1",
        {"name": "c", "policy": "OR('Org1MSP.member')", "btl": 3},
        {"name": "c", "policy": "OR('Org1MSP.member')", "endorsementPolicy": "OR('Org1MSP.peer')"},
        {"name": "c", "policy": "OR('Org1MSP.member')", "endorsementPolicy": {"channelConfigPolicy": "Other"}},
    ],
)
def test_a_collection_that_is_not_understood_is_refused(collection: Any) -> None:
    with pytest.raises(Failure) as caught:
        blueprint(collections=[collection]).network()
    assert caught.value.reason == "COLLECTIONS"


@pytest.mark.parametrize(
    ("organisations", "port", "reason"),
    [
        (("Org1MSP", "org1MSP"), 7051, "ORGANISATION"),
        (("Org 1",), 7051, "ORGANISATION"),
        (("../x",), 7051, "ORGANISATION"),
        (("OrdererMSP",), 7051, "ORGANISATION"),
        (TWO, 0, "PORT"),
        (TWO, 64_000, "PORT"),
    ],
)
def test_organisations_and_ports_that_cannot_be_are_refused(
    tmp_path: Path, organisations: tuple[str, ...], port: int, reason: str
) -> None:
    with pytest.raises(Failure) as caught:
        prepare(blueprint(organisations, port), Layout(tmp_path), datetime.now(UTC), os.urandom)
    assert caught.value.reason == reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "spec", ["localhost:9999", "127.0.0.1:9999", "basic_1.0:abc@localhost:9999", "module", "a:b:C"]
)
def test_only_classes_are_chaincode_so_far(spec: str) -> None:
    with pytest.raises(Failure, match="is not module:Class") as caught:
        implementation("basic", spec)
    assert "service" in caught.value.advice


def test_the_connection_file_names_every_peer(tmp_path: Path) -> None:
    prepare(blueprint(), Layout(tmp_path), datetime.now(UTC), os.urandom)
    profile = json.loads((tmp_path / "connection.json").read_text())
    assert {name: each["url"] for name, each in profile["peers"].items()} == {
        "peer0.org1.example.com": "grpcs://localhost:7051",
        "peer0.org2.example.com": "grpcs://localhost:9051",
    }
    root = tmp_path / "crypto-config/peerOrganizations/org1.example.com/peers/peer0.org1.example.com/tls/ca.crt"
    assert profile["peers"]["peer0.org1.example.com"]["tlsCACerts"]["pem"] == root.read_text()


def test_crypto_material_is_made_once_for_the_same_organisations(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    prepare(blueprint(("Org1MSP",)), layout, datetime.now(UTC), os.urandom)
    key = layout.crypto / "peerOrganizations/org1.example.com/users/User1@org1.example.com/msp/keystore/priv_sk"
    before = key.read_bytes()
    prepare(blueprint(("Org1MSP",), policy="OR('Org1MSP.peer')"), layout, datetime.now(UTC), os.urandom)
    assert key.read_bytes() == before
    with pytest.raises(Failure, match="was made without Org2MSP"):
        prepare(blueprint(TWO), layout, datetime.now(UTC), os.urandom)


def test_the_folder_can_be_moved(tmp_path: Path) -> None:
    prepare(blueprint(), Layout(tmp_path / "here"), datetime.now(UTC), os.urandom)
    (tmp_path / "here").rename(tmp_path / "there")
    peer = network.load(tmp_path / "there" / "network.yaml").organisations["Org1MSP"].peer
    assert Signer.load("Org1MSP", peer).msp_id == "Org1MSP"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--chaincode", "basic=localhost:9999"], "CHAINCODE: localhost:9999 of basic is not module:Class"),
        (
            ["--chaincode", "basic=no_such_module:X"],
            "CHAINCODE: no_such_module cannot be imported: ModuleNotFoundError",
        ),
        (["--chaincode", "basic=json:Nothing"], "CHAINCODE: json has no Nothing"),
        (["--chaincode", SAMPLE, "--chaincode", SAMPLE], "CHAINCODE: --chaincode is given twice"),
        (["--policy", "other=OR('Org1MSP.peer')"], "CHAINCODE: other is not among the chaincodes"),
        (["--chaincode", SAMPLE, "--collections", "basic=absent.json"], "FILE: "),
    ],
)
async def test_what_cannot_be_started_is_told_in_one_line(
    options: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])
    network_of = ["--orgs", "Org1MSP,Org2MSP", "--channel", "mychannel", "--out", str(tmp_path)]
    assert await run(["devnet", *network_of, *options]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith(f"salus: {said}")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--chaincode", "basic=json:JSONDecoder"], "contracts.basic.class json:JSONDecoder is no Contract"),
        (["--chaincode", SAMPLE, "--policy", "basic=OR('Org9MSP.peer')"], "contracts.basic.policy names Org9MSP"),
        (["--chaincode", SAMPLE, "--channel", "My Channel"], "channel must be lower-case letters"),
    ],
)
def test_what_the_ledger_refuses_is_told_in_one_line(options: list[str], said: str, tmp_path: Path) -> None:
    ended = subprocess.run(
        command(tmp_path, free_base_port(), *options), cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("salus: CONFIGURATION: ")
    assert said in line


async def test_a_network_goes_on_where_it_was(tmp_path: Path) -> None:
    port, out, mine = free_base_port(), tmp_path / "network", tmp_path / "mine"
    mine.mkdir()
    source = Path(__file__).parents[1] / "ledger" / "sample_contract.py"
    (mine / "my_chaincode.py").write_text(source.read_text())
    spec = ("--chaincode", "basic=my_chaincode:SampleContract")
    domain = out / "crypto-config/peerOrganizations/org1.example.com"
    roots = domain / "peers/peer0.org1.example.com/tls/ca.crt"

    def signer() -> Signer:
        identity = tmp_path / "user"
        identity.mkdir(exist_ok=True)
        msp = domain / "users/User1@org1.example.com/msp"
        for name, path in (("cert.pem", "signcerts/User1@org1.example.com-cert.pem"), ("key.pem", "keystore/priv_sk")):
            (identity / name).write_bytes((msp / path).read_bytes())
            (identity / name).chmod(0o600)
        return Signer.load("Org1MSP", identity)

    with devnet(out, port, *spec, folder=mine) as announced:
        assert announced["address"] == f"127.0.0.1:{port}"
        assert announced["Org2MSP_address"] == f"127.0.0.1:{port + 2000}"
        async with tls.connect(f"localhost:{port}", None, roots) as channel:
            await LedgerClient(channel, signer(), "mychannel").submit("basic", "Put", "key", "value")
    policy = "OR('Org1MSP.peer')"
    with devnet(out, port, *spec, "--policy", f"basic={policy}", folder=mine):
        async with tls.connect(f"127.0.0.1:{port}", None, roots) as channel:
            assert await LedgerClient(channel, signer(), "mychannel").evaluate("basic", "Get", "key") == b"value"
    assert yaml.safe_load((out / "network.yaml").read_text())["contracts"]["basic"]["policy"] == policy
