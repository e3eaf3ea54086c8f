"""What a new network is filled with, so that there is something to try: a deployed model, and a patient.

Model (breast cancer) and measurements come from `models/breast_cancer`; its held-out rows stand for patients.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.cli import models, patients, profile
from services.cli.connection import Connection
from services.cli.launcher import Network
from services.cli.topology import HOSPITAL_A

FOLDER = Path(__file__).resolve().parents[2] / "models" / "breast_cancer"
MODEL_ID = "breast-cancer"
DATA_CLASS = "cytology"
TRUTH = "diagnosis"
PATIENT = "patient-1"


@dataclass(frozen=True)
class Row:
    """One held-out row: measurements by name, and whether the mass was malignant."""

    measurements: dict[str, float]
    malignant: bool


def rows() -> list[Row]:
    """The 114 rows that the model was not trained on."""
    with (FOLDER / "test.csv").open(newline="", encoding="utf-8") as file:
        return [
            Row({name: float(value) for name, value in row.items() if name != TRUTH}, row[TRUTH] == "1")
            for row in csv.DictReader(file)
        ]


async def deploy(network: Network) -> dict[str, Any]:
    """Hospital A proposes the model, the regulator validates it on the held-out rows, hospital A deploys it; steps
    already taken are not taken again. Returns the model as it is on the ledger."""
    hospital, regulator = network.profile_named("owner-a"), network.profile_named("inspector")
    card, file = models.read_card(FOLDER / "card.yaml"), FOLDER / "model.onnx"
    async with Connection(hospital) as owner, Connection(regulator) as inspector:
        ledger = owner.ledger()

        async def registered() -> dict[str, Any]:
            versions = json.loads(await ledger.evaluate(models.CONTRACT, "List"))
            return next((each for each in versions if (each["id"], each["version"]) == (card.id, card.version)), {})

        if not await registered():
            await models.propose(ledger, network.layout.models(hospital.msp_id), file, FOLDER / "card.yaml")
        if (await registered())["status"] == "proposed":
            await models.validate(
                inspector.ledger(),
                network.layout.models(regulator.msp_id),
                card.id,
                card.version,
                file,
                FOLDER / "test.csv",
                TRUTH,
            )
        if (await registered())["status"] == "validated":
            await ledger.submit(models.CONTRACT, "Deploy", card.id, card.version)
        return await registered()


async def prepare(network: Network) -> list[str]:
    """Fills a network, and returns what to type first, a line each."""
    await deploy(network)
    home = network.layout.root
    measurements = home / "sample" / f"{PATIENT}.json"
    measurements.parent.mkdir(exist_ok=True)
    measurements.write_text(json.dumps(rows()[0].measurements, indent=2) + "\n", encoding="utf-8")
    registrar = network.profile_named("registrar-a")
    async with Connection(registrar) as connection:
        pseudonym, folder = await patients.enrol(connection, "MRN-0001", network.layout.patient(PATIENT))
    profile.write(replace(registrar, identity=folder, models=None), network.layout.profile(PATIENT))
    is_here = home == profile.home().resolve()
    place, shown = ("from this folder", profile.home()) if is_here else (f"with SALUS_HOME={home}", home)
    grant = f"--organisation {HOSPITAL_A} --purpose TREAT --data-class {DATA_CLASS} --days 90"
    ask = f"--model {MODEL_ID} --patient {pseudonym} --file {shown / measurements.relative_to(home)}"
    return [
        f"Try, in another terminal, {place} (salus is .venv/bin/salus):",
        f"  salus --as {PATIENT} consents grant {grant}",
        f"  salus --as dr-adams diagnoses ask {ask}",
        f"  salus --as {PATIENT} consents uses",
        f"  salus --as inspector audit export {shown / 'trail.jsonl'}",
        f"  salus audit verify {shown / 'trail.jsonl'} --roots {shown / 'msp'}",
    ]
