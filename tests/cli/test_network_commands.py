"""Every noun against a real network: all five services as processes, on free ports.

One network serves the module; each test makes the people it needs.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from services.cli.__main__ import run

MODEL = Path(__file__).parents[2] / "models" / "breast_cancer"
RULE = ("--organisation", "HospitalAMSP", "--purpose", "TREAT", "--days", "30")
ASK = ("--model", "breast-cancer", "--ignore", "diagnosis")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a running network."""
    folder = tmp_path_factory.mktemp("network")
    script = str(Path(__file__).with_name("running_network.py"))
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen([sys.executable, script, str(folder)], env=environ, **pipes) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        yield folder
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(60) == 0


@dataclass
class Salus:
    """The command line in this process."""

    home: Path
    capsys: pytest.CaptureFixture[str]

    async def __call__(self, name: str, *arguments: object) -> Any:
        """What a command prints as JSON, after it succeeded."""
        self.capsys.readouterr()
        code = await run(["--as", name, *map(str, arguments), "--json"])
        printed = self.capsys.readouterr()
        assert (code, printed.err) == (0, "")
        return json.loads(printed.out)

    async def fails(self, name: str, *arguments: object) -> str:
        """The reason that a command failed for, told in one line."""
        self.capsys.readouterr()
        assert await run(["--as", name, *map(str, arguments)]) == 1
        printed = self.capsys.readouterr()
        (line,) = printed.err.splitlines()
        return line.removeprefix("salus: ").partition(":")[0]

    async def patient(self) -> str:
        """A patient newly enrolled: pseudonym, and the name of their profile."""
        enrolled = await self("registrar-a", "patients", "enrol", f"MRN-{next(_numbers)}")
        return str(enrolled["pseudonym"])


_numbers = itertools.count()


@pytest.fixture
def salus(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Salus:
    monkeypatch.setenv("SALUS_HOME", str(home))
    return Salus(home, capsys)


@pytest.fixture
async def deployed(salus: Salus) -> None:
    """The model is deployed."""
    if not (await salus("owner-a", "models", "list"))["models"]:
        await salus("owner-a", "models", "propose", MODEL)
        data = ("--file", MODEL / "model.onnx", "--data", MODEL / "test.csv", "--label", "diagnosis")
        validated = await salus("inspector", "models", "validate", "breast-cancer", "1.0.0", *data)
        assert (validated["status"], validated["rows"]) == ("validated", 114)
        assert validated["metrics"]["auc"] > 0.97
        await salus("owner-a", "models", "deploy", "breast-cancer", "1.0.0")


def row_file(folder: Path, number: int) -> Path:
    """One held-out patient's measurements, as a file."""
    with (MODEL / "test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    path = folder / f"row-{number}.json"
    path.write_text(json.dumps({name: float(value) for name, value in rows[number].items() if name != "diagnosis"}))
    return path


def hidden(folder: Path) -> list[str]:
    """Temporary files left behind."""
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


async def test_organisations_are_listed_with_their_roots(salus: Salus) -> None:
    listed = (await salus("dr-adams", "organisations", "list"))["organisations"]
    assert [each["msp_id"] for each in listed] == ["HospitalAMSP", "HospitalBMSP", "OrdererMSP", "RegulatorMSP"]
    assert all(len(each["root_sha256"]) == 64 for each in listed)


async def test_somebody_registers_enrols_reenrols_and_is_revoked(salus: Salus, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    await salus("registrar-a", "identities", "register", "dr-new", "--role", "clinician", "--secret-file", secret)
    assert secret.stat().st_mode & 0o077 == 0
    enrolled = await salus("registrar-a", "enrol", "dr-new", "--secret-file", secret)
    before = (Path(enrolled["identity"]) / "cert.pem").read_bytes()
    former = (await salus("dr-new", "identities", "reenrol"))["former_serial"]
    assert (Path(enrolled["identity"]) / "cert.pem").read_bytes() != before
    listed = (await salus("registrar-a", "identities", "list"))["registrations"]
    (found,) = [each for each in listed if each["enrolment_id"] == "dr-new"]
    assert (found["role"], found["certificates"], found["revoked"]) == ("clinician", 2, False)
    by_serial = ("identities", "revoke", "--reason", "superseded", "--serial", former)
    assert (await salus("registrar-a", *by_serial))["revoked"] == [{"serial": former}]
    assert len((await salus("registrar-a", "identities", "revoke", "dr-new"))["revoked"]) == 1
    assert await run(["--as", "registrar-a", *by_serial]) == 0
    assert salus.capsys.readouterr().out == "nothing was left to revoke\n"
    again = ("identities", "register", "dr-new", "--role", "clinician")
    assert await salus.fails("registrar-a", *again) == "ALREADY_ENROLLED"
    assert "BEGIN X509 CRL" in (await salus("registrar-a", "identities", "crl"))["crl"]


async def test_a_wrong_secret_enrols_nobody(salus: Salus, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("guess")
    enrol = ("enrol", "dr-other", "--secret-file", secret, "--into", tmp_path / "x")
    assert await salus.fails("dr-adams", *enrol) == "WRONG_SECRET"


async def test_a_wrong_role_is_told(salus: Salus) -> None:
    assert await salus.fails("dr-adams", "identities", "list") == "WRONG_ROLE"


async def test_a_patients_pseudonym_is_the_same_until_it_is_erased(salus: Salus, tmp_path: Path) -> None:
    identifier = tmp_path / "identifier"
    identifier.write_text("MRN-erased\n")
    given = ("--identifier-file", identifier)
    first = await salus("dr-adams", "patients", "pseudonym", *given)
    assert await salus("dr-adams", "patients", "pseudonym", *given) == first
    assert await salus.fails("registrar-a", "patients", "erase", *given) == "NOT_CONFIRMED"
    await salus("registrar-a", "patients", "erase", *given, "--yes")
    assert await salus("dr-adams", "patients", "pseudonym", *given) != first


async def test_a_consent_is_granted_listed_evaluated_and_revoked(salus: Salus) -> None:
    ann = await salus.patient()
    granted = await salus(ann, "consents", "grant", *RULE)
    question = ("--patient", ann, "--purpose", "TREAT", "--data-class", "cytology", "--model", "breast-cancer")
    assert (await salus("dr-adams", "consents", "evaluate", *question))["permitted"]
    (listed,) = (await salus(ann, "consents", "list"))["consents"]
    assert (listed["id"], listed["status"]) == (granted["consent_id"], "active")
    await salus(ann, "consents", "revoke", granted["consent_id"])
    assert not (await salus("dr-adams", "consents", "evaluate", *question))["permitted"]
    assert await salus.fails(ann, "consents", "revoke", granted["consent_id"]) == "ALREADY_REVOKED"


async def test_rules_come_from_a_file_too(salus: Salus, tmp_path: Path) -> None:
    ann = await salus.patient()
    rules = tmp_path / "rules.yaml"
    rules.write_text(
        "- {type: permit, actor: {organisation: HospitalAMSP}, period: {end: 2099-01-01T00:00:00Z}}\n"
        "- {type: deny, purposes: [HRESCH]}\n"
    )
    await salus(ann, "consents", "grant", "--file", rules)
    (listed,) = (await salus(ann, "consents", "list"))["consents"]
    assert [each["type"] for each in listed["provisions"]] == ["permit", "deny"]
    rules.write_text("- {type: perhaps}\n")
    assert await salus.fails(ann, "consents", "grant", "--file", rules) == "BAD_RULES"


@pytest.mark.usefixtures("deployed")
async def test_a_model_is_listed_and_described(salus: Salus) -> None:
    (model,) = (await salus("dr-adams", "models", "list"))["models"]
    assert (model["id"], model["status"], model["ready"]) == ("breast-cancer", "deployed", True)
    described = await salus("dr-adams", "models", "describe", "breast-cancer")
    assert [each["function"] for each in described["history"]][:3] == ["Propose", "Validate", "Deploy"]
    assert (len(described["inputs"]), described["owner"]) == (30, "HospitalAMSP")


@pytest.mark.usefixtures("deployed")
async def test_a_suspended_model_answers_nothing_until_it_is_resumed(salus: Salus, tmp_path: Path) -> None:
    ann = await salus.patient()
    await salus("inspector", "models", "suspend", "breast-cancer", "1.0.0", "--reason", "drift")
    asked = ("diagnoses", "ask", "--patient", ann, "--file", row_file(tmp_path, 0), *ASK)
    assert await salus.fails("dr-adams", *asked) == "MODEL_NOT_DEPLOYED"
    assert await salus.fails("owner-a", "models", "resume", "breast-cancer", "1.0.0") == "ACCESS_DENIED"
    await salus("inspector", "models", "resume", "breast-cancer", "1.0.0")


async def test_a_model_file_that_is_not_the_cards_is_not_proposed(salus: Salus, tmp_path: Path) -> None:
    (tmp_path / "card.yaml").write_bytes((MODEL / "card.yaml").read_bytes())
    (tmp_path / "model.onnx").write_bytes(b"another")
    assert await salus.fails("owner-a", "models", "propose", tmp_path) == "MODEL_FILE_DIFFERS"


@pytest.mark.usefixtures("deployed")
async def test_a_question_is_refused_answered_and_shown_to_the_patient(salus: Salus, tmp_path: Path) -> None:
    ann = await salus.patient()
    asked = ("diagnoses", "ask", "--patient", ann, "--file", row_file(tmp_path, 1), *ASK)
    assert await salus.fails("dr-adams", *asked) == "NO_CONSENT"
    await salus(ann, "consents", "grant", *RULE)
    answer = await salus("dr-adams", *asked, "--request-id", f"ask-{ann}")
    assert (answer["outcome"], len(answer["explanation"])) == ("answered", 30)
    assert (await salus("dr-adams", "diagnoses", "show", answer["decision_id"]))["probability"] == answer["probability"]
    uses = (await salus(ann, "consents", "uses"))["uses"]
    assert [(each["outcome"], each["person"]) for each in uses] == [("answered", "dr-adams"), ("refused", "dr-adams")]


@pytest.mark.usefixtures("deployed")
async def test_faulty_measurements_are_named(salus: Salus, tmp_path: Path) -> None:
    ann = await salus.patient()
    asked = ("diagnoses", "ask", "--patient", ann, "--file", row_file(tmp_path, 2), *ASK)
    assert await run(["--as", "dr-adams", *map(str, asked), "--set", "mean_radius=9999"]) == 1
    assert "mean_radius" in salus.capsys.readouterr().err


@pytest.mark.usefixtures("deployed")
async def test_a_batch_is_answered_searched_exported_and_verified(salus: Salus, tmp_path: Path) -> None:
    ann, ben = await salus.patient(), await salus.patient()
    await salus(ann, "consents", "grant", *RULE)
    with (MODEL / "test.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[10:12]
    questions = tmp_path / "questions.csv"
    with questions.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["patient", *rows[0]])
        writer.writeheader()
        writer.writerows({"patient": patient, **row} for patient, row in zip((ann, ben), rows, strict=True))
    results = (await salus("dr-adams", "diagnoses", "batch", questions, *ASK))["results"]
    assert [each["outcome"] for each in results] == ["answered", "refused"]

    found: list[Any] = []
    for _ in range(200):
        found = (await salus("inspector", "audit", "search", "--patient", ann))["decisions"]
        if found:
            break
    assert [each["decision_id"] for each in found] == [results[0]["decision_id"]]
    trail = tmp_path / "trail.jsonl"
    exported = await salus("inspector", "audit", "export", trail, "--outcome", "answered")
    report = await salus("inspector", "audit", "verify", trail, "--roots", salus.home / "msp")
    assert (report["ok"], report["decisions"]) == (True, exported["decisions"])
    assert hidden(tmp_path) == []


async def test_the_audit_trail_is_for_inspectors(salus: Salus, tmp_path: Path) -> None:
    assert await salus.fails("dr-adams", "audit", "export", tmp_path / "x") == "WRONG_ROLE"
    assert (hidden(tmp_path), (tmp_path / "x").is_file()) == ([], False)
    assert "salus" in (await salus("dr-adams", "audit", "checkpoint"))["checkpoint"]
