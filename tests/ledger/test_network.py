"""`network.yaml`: what is read, and the one line that says what is wrong."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.cli.topology import Layout, network_config
from services.ledger import network, policy
from services.ledger.network import NetworkError

SAMPLE: dict[str, Any] = {
    "channel": "salus",
    "msp_root": "msp",
    "orderer": {"msp_id": "OrdererMSP", "identity": "organisations/OrdererMSP/orderer"},
    "organisations": {
        "HospitalAMSP": {"peer": "organisations/a/peer", "config": {"models": "organisations/a/models", "note": "x"}},
        "RegulatorMSP": {"peer": "organisations/r/peer"},
    },
    "contracts": {
        "sample": {
            "class": "tests.ledger.sample_contract:SampleContract",
            "version": "1.0",
            "policy": "AND('HospitalAMSP.peer','RegulatorMSP.peer')",
            "collections": [
                {
                    "name": "secrets",
                    "policy": "OR('HospitalAMSP.member','RegulatorMSP.member')",
                    "memberOnlyRead": True,
                    "endorsementPolicy": "OR('HospitalAMSP.peer')",
                }
            ],
        }
    },
}


def write(folder: Path, content: object) -> Path:
    path = folder / "network.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


def changed(*place: str, to: object) -> dict[str, Any]:
    content = copy.deepcopy(SAMPLE)
    inner: Any = content
    for key in place[:-1]:
        inner = inner[int(key)] if key.isdigit() else inner[key]
    inner[place[-1]] = to
    return content


def test_a_network_is_read_with_paths_relative_to_its_file(tmp_path: Path) -> None:
    read = network.load(write(tmp_path, SAMPLE))
    assert (read.channel, read.orderer_msp) == ("salus", "OrdererMSP")
    assert read.msp_root == tmp_path / "msp"
    assert read.organisations["HospitalAMSP"].peer == tmp_path / "organisations/a/peer"
    assert read.organisations["HospitalAMSP"].config == {
        "models": str(tmp_path / "organisations/a/models"),
        "note": "x",
    }


def test_contracts_become_definitions(tmp_path: Path) -> None:
    definition = network.load(write(tmp_path, SAMPLE)).definitions["sample"]
    assert definition.policy == policy.parse("AND('HospitalAMSP.peer','RegulatorMSP.peer')")
    collection = definition.collections["secrets"]
    assert (collection.member_only_read, collection.member_only_write) == (True, False)
    assert collection.endorsement_policy == policy.parse("OR('HospitalAMSP.peer')")


def test_each_organisation_gets_its_own_instance_of_a_contract(tmp_path: Path) -> None:
    read = network.load(write(tmp_path, SAMPLE))
    first, second = (read.build_contracts(msp_id)["sample"] for msp_id in ("HospitalAMSP", "RegulatorMSP"))
    assert first is not second


def test_a_setting_that_a_contract_refuses_names_the_contract_and_the_organisation(tmp_path: Path) -> None:
    read = network.load(write(tmp_path, changed("contracts", "sample", "config", to={"broken": True})))
    with pytest.raises(NetworkError, match="contract sample of RegulatorMSP: setting broken must not be set"):
        read.build_contracts("RegulatorMSP")


def test_the_launchers_own_network_can_be_read_but_for_contracts_not_installed(tmp_path: Path) -> None:
    content = network_config(Layout(tmp_path))
    for contract in content["contracts"].values():
        contract["class"] = "tests.ledger.sample_contract:SampleContract"
    read = network.load(write(tmp_path, content))
    assert set(read.organisations) == {"HospitalAMSP", "HospitalBMSP", "RegulatorMSP"}


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a: [", "is not valid"),
        ("- a\n", "must hold keys and values"),
        (changed("chanel", to="x"), "unknown key chanel"),
        (changed("channel", to="Not A Channel"), "channel must be lower-case"),
        (changed("channel", to=5), "channel must be text"),
        ({key: value for key, value in SAMPLE.items() if key != "orderer"}, "key orderer is missing"),
        (changed("organisations", to={}), "organisations must name at least one"),
        (changed("organisations", "RegulatorMSP", to={}), "key organisations.RegulatorMSP.peer is missing"),
        (changed("contracts", "sample", "policy", to="AND('HospitalAMSP.peer'"), "contracts.sample.policy position 24"),
        (changed("contracts", "sample", "policy", to="OR('NobodyMSP.peer')"), "policy names NobodyMSP, which is not"),
        (changed("contracts", "sample", "version", to=1.0), "contracts.sample.version must be text"),
        (changed("contracts", "sample", "class", to="no.such:Thing"), "no.such:Thing cannot be imported"),
        (changed("contracts", "sample", "class", to="pathlib:Path"), "pathlib:Path is no Contract"),
        (changed("contracts", "sample", "class", to=None), "contracts.sample.class must be a text"),
        (changed("contracts", "two words", to=SAMPLE["contracts"]["sample"]), "contracts.two words is no name"),
        (
            changed("contracts", "qscc", to=SAMPLE["contracts"]["sample"]),
            "contracts.qscc is the name of a system chain",
        ),
        (changed("contracts", "sample", "collections", "0", "name", to="_x"), r"collections\[0\].name must be"),
        (changed("contracts", "sample", "collections", "0", "blockToLive", to=-1), "blockToLive must not be negative"),
        (
            changed("contracts", "sample", "collections", to=2 * SAMPLE["contracts"]["sample"]["collections"]),
            r"collections\[1\].name secrets is there twice",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line_that_names_the_file_and_the_place(
    tmp_path: Path, content: object, text: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(NetworkError, match=text) as caught:
        network.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"absent\.yaml"):
        network.load(tmp_path / "absent.yaml")
