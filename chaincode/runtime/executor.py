"""Runs registered models: the file is found by its SHA-256 and is that file, or it is not run.

`ModelRepository` is a folder of `<sha256>.onnx`, one per organisation. `OnnxExecutor` runs its files on one thread with
no graph rewriting that depends on the machine's load, so that organisations re-executing a model agree within the
card's tolerance.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
import onnxruntime as ort

from chaincode.core.card import Card

_SHA256 = re.compile(r"[0-9a-f]{64}")


class ModelFileError(Exception):
    """This organisation's repository does not hold the registered file. The message names hashes, never paths."""


class ExecutionError(Exception):
    """The model cannot be run, or does not give what its card says."""


@dataclass(frozen=True)
class Output:
    """One answer: probability of the positive class, its label, and each input's contribution to the logit."""

    probability: float
    label: str
    contributions: tuple[float, ...]


class ModelExecutor(Protocol):
    """Runs a registered model on one row of values, in the order of the card's inputs."""

    def run(self, card: Card, values: Sequence[float]) -> Output:
        """Raises ModelFileError, ExecutionError."""


class ModelRepository:
    """Model files of one organisation, by content."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, sha256: str) -> bytes:
        """The file with this hash. Raises ModelFileError where there is none or it has changed."""
        if not _SHA256.fullmatch(sha256):
            raise ModelFileError("a model file is named by 64 lower-case hexadecimal characters")
        try:
            data = (self._folder / f"{sha256}.onnx").read_bytes()
        except OSError:
            raise ModelFileError(f"there is no model file with SHA-256 {sha256}") from None
        found = hashlib.sha256(data).hexdigest()
        if found != sha256:
            raise ModelFileError(f"the model file has SHA-256 {found}, and {sha256} is registered")
        return data

    def stamp(self, sha256: str) -> tuple[int, ...]:
        """Changes whenever the file does: a cheap sign that it has to be hashed again. Empty where there is none."""
        try:
            stat = (self._folder / f"{sha256}.onnx").stat()
        except OSError:
            return ()
        return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns

    def install(self, source: Path) -> str:
        """Copies a file into the repository, durably, and returns its SHA-256."""
        data = source.read_bytes()
        sha256 = hashlib.sha256(data).hexdigest()
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f".{sha256}.{secrets.token_hex(4)}"
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._folder / f"{sha256}.onnx")
        folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return sha256


class OnnxExecutor:
    """Runs ONNX models of a repository. Safe for many threads; a session is kept for each file."""

    def __init__(self, repository: ModelRepository) -> None:
        self._repository = repository
        self._sessions: dict[str, ort.InferenceSession] = {}
        self._lock = Lock()

    def run(self, card: Card, values: Sequence[float]) -> Output:
        """Runs one row. Raises ModelFileError, ExecutionError."""
        return self.run_rows(card, [values])[0]

    def run_rows(self, card: Card, rows: Sequence[Sequence[float]]) -> list[Output]:
        """Runs several rows at once. Raises ModelFileError, ExecutionError."""
        session = self._session(card.sha256)
        wanted = session.get_inputs()
        if len(wanted) != 1 or wanted[0].name != card.graph.input:
            raise ExecutionError(f"the model does not take the input {card.graph.input} alone")
        kind: Any = {"tensor(double)": np.float64, "tensor(float)": np.float32}.get(wanted[0].type)
        if kind is None:
            raise ExecutionError(f"the model's input has type {wanted[0].type}, which is none of double and float")
        try:
            probabilities, contributions = session.run(
                [card.graph.probability, card.graph.contributions], {card.graph.input: np.asarray(rows, dtype=kind)}
            )
        except Exception as error:  # ONNX Runtime raises many classes, none of them documented
            raise ExecutionError(f"the model failed: {type(error).__name__}") from None
        width = sum(each.length for each in card.inputs)
        # An output may also be a list, as classifiers converted from scikit-learn have it.
        shapes = [each.shape for each in (probabilities, contributions) if isinstance(each, np.ndarray)]
        if shapes != [(len(rows), 1), (len(rows), width)] or not all(
            np.issubdtype(each.dtype, np.floating) for each in (probabilities, contributions)
        ):
            raise ExecutionError("the model's outputs do not have the shape of its card")
        return [
            _output(card, float(probability[0]), tuple(float(each) for each in contribution))
            for probability, contribution in zip(probabilities, contributions, strict=True)
        ]

    def _session(self, sha256: str) -> ort.InferenceSession:
        with self._lock:
            if sha256 not in self._sessions:
                options = ort.SessionOptions()
                options.intra_op_num_threads = options.inter_op_num_threads = 1
                options.use_deterministic_compute = True
                options.log_severity_level = 4
                data = self._repository.load(sha256)
                try:
                    session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
                except Exception as error:  # see above
                    raise ExecutionError(f"the model file cannot be loaded: {type(error).__name__}") from None
                self._sessions[sha256] = session
            return self._sessions[sha256]


def _output(card: Card, probability: float, contributions: tuple[float, ...]) -> Output:
    if not 0 <= probability <= 1 or not all(math.isfinite(each) for each in contributions):
        raise ExecutionError("the model answered with no probability, or with contributions that are not finite")
    return Output(probability, card.label(probability), contributions)
