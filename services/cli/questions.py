"""Questions to a model as files hold them: JSON, JSON Lines and CSV. Pure.

A question's measurements are {"name": value}, {"name": [values]} or [{"name", "values", "unit", "source"}]. In CSV a
column is an input of the model, but for the columns `patient`, `request_id`, `purpose`, `emergency_reason`,
`model_id`, `model_version` and `amends`; in JSON Lines these stand beside `measurements`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from salus.inference.v1 import inference_pb2 as pb

from services.cli.failures import Failure

FIELDS = ("patient", "request_id", "purpose", "emergency_reason", "model_id", "model_version", "amends")


def measurements_of(document: Any) -> list[pb.Measurement]:
    """Measurements of a JSON value. Raises Failure."""
    if isinstance(document, Mapping):
        return [pb.Measurement(name=str(name), values=_numbers(name, value)) for name, value in document.items()]
    if not isinstance(document, list) or not all(isinstance(each, Mapping) and "name" in each for each in document):
        raise _bad("measurements are an object of values by name, or a list of objects with name and values")
    return [
        pb.Measurement(
            name=str(each["name"]),
            values=_numbers(each["name"], each.get("values", each.get("value"))),
            unit=str(each.get("unit") or ""),
            source=str(each.get("source") or ""),
        )
        for each in document
    ]


def measurements_set(pairs: Iterable[str]) -> list[pb.Measurement]:
    """Measurements typed as NAME=VALUE, several values being separated by commas. Raises Failure."""
    found = []
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise _bad("a measurement is typed NAME=VALUE")
        found.append(pb.Measurement(name=name, values=_cell(name, value.replace(",", " "))))
    return found


def read_one(content: bytes, suffix: str, ignore: Sequence[str] = ()) -> list[pb.Measurement]:
    """The measurements in a file for one patient: JSON, or CSV with one row. Raises Failure."""
    if suffix != ".csv":
        document = _json(content, "the file")
        if isinstance(document, dict) and "measurements" in document:
            document = document["measurements"]
        return measurements_of(document)
    rows = _csv(content)
    if len(rows) != 1:
        raise _bad(f"the file has {len(rows)} rows; one patient has one (see: salus diagnoses batch)")
    return _row_measurements(rows[0], 1, ignore)


def read_batch(
    content: bytes, suffix: str, defaults: Mapping[str, str], prefix: str, ignore: Sequence[str] = ()
) -> list[pb.DiagnoseRequest]:
    """The questions in a CSV or JSON Lines file. Raises Failure naming the row.

    `defaults` are used for fields that a row leaves out. A row without a request id gets `prefix` and its number, so
    that asking with the same file again records nothing twice.
    """
    found = []
    if suffix == ".csv":
        for number, row in enumerate(_csv(content), 1):
            fields = {name: row[name] for name in FIELDS if row.get(name)}
            found.append(_request(fields, _row_measurements(row, number, ignore), defaults, prefix, number))
    else:
        lines = (line for line in content.splitlines() if line.strip())
        for number, line in enumerate(lines, 1):
            document = _json(line, f"row {number}")
            if not isinstance(document, dict) or set(document) - {*FIELDS, "measurements"}:
                raise _bad(f"row {number} takes measurements and {', '.join(FIELDS)}")
            fields = {name: str(document[name]) for name in FIELDS if document.get(name)}
            measured = measurements_of(document.get("measurements", {}))
            found.append(_request(fields, measured, defaults, prefix, number))
    if not found:
        raise _bad("the file holds no question")
    return found


def _request(
    fields: Mapping[str, str],
    measured: Sequence[pb.Measurement],
    defaults: Mapping[str, str],
    prefix: str,
    number: int,
) -> pb.DiagnoseRequest:
    values = {"request_id": f"{prefix}-{number}", **defaults, **fields}
    for name in ("patient", "model_id", "purpose"):
        if not values.get(name):
            raise _bad(f"row {number} has no {name}")
    return pb.DiagnoseRequest(measurements=measured, **values)


def _row_measurements(row: Mapping[str, str], number: int, ignore: Sequence[str]) -> list[pb.Measurement]:
    return [
        pb.Measurement(name=name, values=_cell(f"row {number}: {name}", value))
        for name, value in row.items()
        if name not in FIELDS and name not in ignore
    ]


def _csv(content: bytes) -> list[dict[str, str]]:
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode()), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise _bad("the file is no CSV in UTF-8") from None
    for number, row in enumerate(rows, 1):
        if None in row or None in row.values():
            raise _bad(f"row {number} has another number of cells than the first line")
    return rows


def _json(content: bytes, where: str) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        raise _bad(f"{where} is no JSON") from None


def _numbers(name: object, value: Any) -> list[float]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in values):
        raise _bad(f"{name} takes a number, or a list of numbers")
    return [float(each) for each in values]


def _cell(name: str, text: str) -> list[float]:
    try:
        return [float(each) for each in text.split()]
    except ValueError:
        raise _bad(f"{name} takes a number") from None


def _bad(message: str) -> Failure:
    return Failure("BAD_MEASUREMENTS", message)
