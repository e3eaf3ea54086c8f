"""A model for the contracts' tests: the logit is the sum of two inputs."""

from __future__ import annotations

from typing import Any

from chaincode.core import canonical
from tests.chaincode.callers import HOSPITAL_A

CARD: dict[str, Any] = {
    "schema": "salus.card/1",
    "id": "sum",
    "version": "1",
    "title": "Sum of two inputs",
    "owner": HOSPITAL_A,
    "licence": "CC0-1.0",
    "type": "classification",
    "data_class": "cytology",
    "sha256": "5" * 64,
    "inputs": [
        {"name": "x", "unit": "mm", "minimum": -10, "maximum": 10},
        {"name": "y", "unit": "mm", "minimum": -10, "maximum": 10},
    ],
    "output": {"positive": "malignant", "negative": "benign", "threshold": 0.5},
    "onnx": {"input": "input", "probability": "probability", "contributions": "contributions"},
    "tolerance": 1e-6,
    "acceptance": {"accuracy": {"minimum": 0.9}, "sensitivity": {"minimum": 0.9}},
    "retention_years": 10,
}

EVALUATION: dict[str, Any] = {
    "dataset_sha256": "d" * 64,
    "rows": 114,
    "metrics": {"accuracy": 0.95, "sensitivity": 0.93},
}


def card_json(**changes: Any) -> str:
    return canonical.encode({**CARD, **changes}).decode()
