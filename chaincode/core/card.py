"""A model's card: what it is for, what it takes, how good it is and must be, and how its file is called. Pure.

Written as `models/<name>/card.yaml`, registered on the ledger as canonical JSON. Beside what is listed in `Card` it may
hold prose (intended_use, out_of_scope, training, performance, limitations, ...), which is kept verbatim: the source
attributes of ONC HTI-1 (45 CFR 170.315(b)(11)) and of the FDA's transparency principles are such prose.

    schema: salus.card/1
    id, version, title, owner (MSP id), licence
    type: classification
    data_class: the class of patient data it uses, as consents name it
    sha256: of the model file
    inputs: [{name, description, unit (UCUM), minimum, maximum, integer, length}]
    inputs_may_repeat: true where two patients can plausibly have equal inputs
    output: {positive, negative, threshold}
    onnx: {input, probability, contributions}: names in the model's graph
    tolerance: largest difference between two executions, of the probability and of each contribution; at most 0.01
    acceptance: {metric: {minimum: x}}: what an evaluation must reach before the model is deployed
    minimum_rows: how many rows such an evaluation has at least; 1 where it is not given
    retention_years: how long decisions are kept
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import yaml

from chaincode.core import canonical

SCHEMA = "salus.card/1"
# Those of which more is better: a criterion is a minimum.
METRICS = ("accuracy", "sensitivity", "specificity", "auc", "ppv", "npv")
MAX_INPUTS = 4096
# Beyond it re-execution would pass answers that a person can tell from the model's.
MAX_TOLERANCE = 0.01

_WORD = re.compile(r"[0-9A-Za-z._-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class CardError(ValueError):
    """A card is not well-formed. The message lists every fault, each naming its field."""


@dataclass(frozen=True)
class InputFault:
    """One fault of a question's inputs: which input, and what it takes."""

    name: str
    takes: str


class InputError(ValueError):
    """Inputs that a model does not take. `faults` holds all of them."""

    def __init__(self, faults: Sequence[InputFault]) -> None:
        super().__init__("; ".join(f"{each.name} {each.takes}" for each in faults))
        self.faults = tuple(faults)


@dataclass(frozen=True)
class Input:
    """One input: `length` values between `minimum` and `maximum`, both inclusive, in `unit`."""

    name: str
    unit: str
    minimum: float
    maximum: float
    description: str = ""
    integer: bool = False
    length: int = 1

    @property
    def takes(self) -> str:
        kind = "a whole number" if self.integer else "a number"
        count = kind if self.length == 1 else f"{self.length} values, each {kind}"
        unit = "" if self.unit in ("", "1") else f" {self.unit}"
        return f"takes {count} from {self.minimum:g} to {self.maximum:g}{unit}"


@dataclass(frozen=True)
class Measurement:
    """What is given for one input. An empty unit stands for the card's."""

    name: str
    values: Sequence[float]
    unit: str = ""


class Measured(Protocol):
    """Anything that says what `Measurement` says."""

    @property
    def name(self) -> str: ...
    @property
    def values(self) -> Sequence[float]: ...
    @property
    def unit(self) -> str: ...


@dataclass(frozen=True)
class Graph:
    """Names in the ONNX graph: its input, the probability of the positive class, each input's contribution."""

    input: str
    probability: str
    contributions: str


@dataclass(frozen=True)
class Card:
    """The fields of a card that programs use; `document` is the whole of it."""

    id: str
    version: str
    title: str
    owner: str
    data_class: str
    sha256: str
    inputs: tuple[Input, ...]
    inputs_may_repeat: bool
    positive: str
    negative: str
    threshold: float
    graph: Graph
    tolerance: float
    acceptance: Mapping[str, float]
    minimum_rows: int
    retention_years: int
    document: Mapping[str, Any]

    @property
    def json(self) -> bytes:
        """The card as registered on the ledger: canonical JSON."""
        return canonical.encode(self.document)

    def label(self, probability: float) -> str:
        """The class of a probability: positive from the threshold on."""
        return self.positive if probability >= self.threshold else self.negative


def parse(document: object) -> Card:
    """Reads a card. Raises CardError with every fault."""
    if not isinstance(document, dict):
        raise CardError("a card must be an object")
    read = _Reader(document)
    if document.get("schema") != SCHEMA:
        read.faults.append(f"schema must be {SCHEMA}")
    if document.get("type") != "classification":
        read.faults.append("type must be classification")
    output, graph = read.section("output"), read.section("onnx")
    result = Card(
        id=read.word("id"),
        version=read.word("version"),
        title=read.text("title"),
        owner=read.word("owner"),
        data_class=read.word("data_class"),
        sha256=read.text("sha256", _SHA256, "64 lower-case hexadecimal characters"),
        inputs=read.inputs(),
        inputs_may_repeat=read.flag("inputs_may_repeat"),
        positive=output.text("positive"),
        negative=output.text("negative"),
        threshold=output.number("threshold", 0, 1),
        graph=Graph(graph.text("input"), graph.text("probability"), graph.text("contributions")),
        tolerance=read.number("tolerance", 0, MAX_TOLERANCE),
        acceptance=read.acceptance(),
        minimum_rows=read.whole("minimum_rows", 1, 1_000_000_000) if "minimum_rows" in document else 1,
        retention_years=read.whole("retention_years", 1, 100),
        document=document,
    )
    faults = [*read.faults, *(f"output.{each}" for each in output.faults), *(f"onnx.{each}" for each in graph.faults)]
    try:
        canonical.encode(document)
    except ValueError as error:
        faults.append(f"the card is not JSON: {error}")
    if faults:
        raise CardError("; ".join(faults))
    return result


def parse_yaml(text: str | bytes) -> Card:
    """Reads a card file. Raises CardError with every fault."""
    try:
        return parse(yaml.safe_load(text))
    except (yaml.YAMLError, RecursionError):
        raise CardError("the card is not YAML") from None


def validate_inputs(card: Card, measurements: Sequence[Measured]) -> tuple[float, ...]:
    """The values in the order of the model's inputs. Raises InputError with every fault."""
    faults: list[InputFault] = []
    known = {each.name: each for each in card.inputs}
    given = {each.name: each for each in measurements}
    times = Counter(each.name for each in measurements)
    faults += [InputFault(name, "is given more than once") for name, count in times.items() if count > 1]
    faults += [InputFault(name, "is no input of this model") for name in times if name not in known]
    values: list[float] = []
    for wanted in card.inputs:
        measurement = given.get(wanted.name)
        if measurement is None:
            faults.append(InputFault(wanted.name, f"is missing; it {wanted.takes}"))
        elif wrong := _wrong(wanted, measurement):
            faults.append(InputFault(wanted.name, f"{' and '.join(wrong)}; it {wanted.takes}"))
        else:
            values += (float(value) for value in measurement.values)
    if faults:
        raise InputError(faults)
    return tuple(values)


def _wrong(wanted: Input, measurement: Measured) -> list[str]:
    """Everything that is wrong with the values given for an input, without telling them."""
    wrong = []
    if measurement.unit and measurement.unit != wanted.unit:
        wrong.append("is in another unit")
    if len(measurement.values) != wanted.length:
        wrong.append(f"has {len(measurement.values)} values")
    numbers = [each for each in map(as_number, measurement.values) if each is not None]
    if len(numbers) < len(measurement.values):
        wrong.append("is not a finite number")
    if wanted.integer and not all(number.is_integer() for number in numbers):
        wrong.append("is not a whole number")
    if not all(wanted.minimum <= number <= wanted.maximum for number in numbers):
        wrong.append("is out of range")
    return wrong


def as_number(value: object) -> float | None:
    """The finite number that a JSON value is, or None; true and false are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def acceptance_problems(card: Card, evaluation: object) -> list[str]:
    """Why an evaluation {"dataset_sha256", "rows", "metrics": {name: number}} does not meet the card's criteria; empty
    if it does."""
    if not isinstance(evaluation, dict) or set(evaluation) != {"dataset_sha256", "rows", "metrics"}:
        return ["an evaluation holds dataset_sha256, rows and metrics"]
    problems = []
    if not isinstance(evaluation["dataset_sha256"], str) or not _SHA256.fullmatch(evaluation["dataset_sha256"]):
        problems.append("dataset_sha256 takes 64 lower-case hexadecimal characters")
    if not isinstance(evaluation["rows"], int) or isinstance(evaluation["rows"], bool) or evaluation["rows"] < 1:
        problems.append("rows takes a positive whole number")
    elif evaluation["rows"] < card.minimum_rows:
        problems.append(f"{evaluation['rows']} rows are fewer than the card's minimum of {card.minimum_rows}")
    metrics = evaluation["metrics"]
    if not isinstance(metrics, dict):
        return [*problems, "metrics takes numbers by name"]
    for name, minimum in card.acceptance.items():
        value = as_number(metrics.get(name))
        if value is None:
            problems.append(f"metric {name} is missing")
        elif not 0 <= value <= 1:
            problems.append(f"metric {name} is {value:g}, outside 0 to 1")
        elif value < minimum:
            problems.append(f"metric {name} is {value:.4f}, below the card's minimum of {minimum:g}")
    return problems


class _Reader:
    """Reads fields of one object and collects what is wrong with them."""

    def __init__(self, document: object) -> None:
        self.document: Mapping[str, Any] = document if isinstance(document, dict) else {}
        self.faults: list[str] = []

    def section(self, name: str) -> _Reader:
        return _Reader(self.document.get(name))

    def text(self, name: str, pattern: re.Pattern[str] | None = None, takes: str = "text") -> str:
        value = self.document.get(name)
        if not isinstance(value, str) or not value or (pattern and not pattern.fullmatch(value)):
            self.faults.append(f"{name} takes {takes}")
            return ""
        return value

    def word(self, name: str) -> str:
        return self.text(name, _WORD, "1 to 64 letters, digits, '.', '_' and '-'")

    def number(self, name: str, minimum: float = -math.inf, maximum: float = math.inf) -> float:
        value = as_number(self.document.get(name))
        if value is None or not minimum <= value <= maximum:
            self.faults.append(f"{name} takes a number from {minimum:g} to {maximum:g}")
            return 0.0
        return value

    def whole(self, name: str, minimum: int, maximum: int) -> int:
        value = self.document.get(name)
        if type(value) is not int or not minimum <= value <= maximum:
            self.faults.append(f"{name} takes a whole number from {minimum} to {maximum}")
            return minimum
        return value

    def flag(self, name: str) -> bool:
        value = self.document.get(name, False)
        if not isinstance(value, bool):
            self.faults.append(f"{name} takes true or false")
        return value is True

    def inputs(self) -> tuple[Input, ...]:
        value = self.document.get("inputs")
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_INPUTS:
            self.faults.append(f"inputs takes a list of 1 to {MAX_INPUTS} inputs")
            return ()
        found = []
        for index, each in enumerate(value):
            read = _Reader(each)
            entry = Input(
                name=read.word("name"),
                unit=read.text("unit"),
                minimum=read.number("minimum"),
                maximum=read.number("maximum"),
                description=read.text("description") if "description" in read.document else "",
                integer=read.flag("integer"),
                length=read.whole("length", 1, 1_000_000) if "length" in read.document else 1,
            )
            if not read.faults and entry.minimum >= entry.maximum:
                read.faults.append("minimum must be below maximum")
            self.faults += (f"inputs[{index}].{fault}" for fault in read.faults)
            found.append(entry)
        names = Counter(each.name for each in found)
        self.faults += (f"inputs name {name} twice" for name, count in names.items() if name and count > 1)
        return tuple(found)

    def acceptance(self) -> Mapping[str, float]:
        value = self.document.get("acceptance")
        if not isinstance(value, dict) or not value:
            self.faults.append("acceptance takes at least one metric with its minimum")
            return {}
        minima = {}
        for name, criterion in value.items():
            read = _Reader(criterion)
            minima[str(name)] = read.number("minimum", 0, 1)
            self.faults += (f"acceptance.{name}.{fault}" for fault in read.faults)
            if name not in METRICS:
                self.faults.append(f"acceptance.{name} is none of {', '.join(METRICS)}")
        return minima
