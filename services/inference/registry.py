"""Which models this service answers with: deployed on the ledger, and the file in the repository is the registered one.

The status is asked of the ledger each time. A file that was found right is hashed again once it has changed; what the
contract endorses does not depend on it, since every organisation runs its own file.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from chaincode.models import Status
from chaincode.runtime.executor import ModelFileError
from services.inference.errors import ModelNotFoundError, ModelUnavailableError
from services.inference.ledger import Ledger, RegisteredModel

UNKNOWN_MODEL = "UNKNOWN_MODEL"
MODEL_NOT_DEPLOYED = "MODEL_NOT_DEPLOYED"
MODEL_FILE_DIFFERS = "MODEL_FILE_DIFFERS"


class Repository(Protocol):
    """`chaincode.runtime.executor.ModelRepository`, as far as it is needed here."""

    def load(self, sha256: str) -> bytes:
        """The file with this hash. Raises ModelFileError."""

    def stamp(self, sha256: str) -> tuple[int, ...]:
        """Changes whenever the file does; empty where there is none."""


@dataclass(frozen=True)
class Standing:
    """A model, and why it is not served: an error's reason and message, both empty where it is."""

    model: RegisteredModel
    reason: str = ""
    message: str = ""

    @property
    def ready(self) -> bool:
        return not self.reason


class Registry:
    """Models known on the ledger, compared with the files in the repository."""

    def __init__(self, ledger: Ledger, repository: Repository) -> None:
        self._ledger = ledger
        self._repository = repository
        self._found_right: dict[str, tuple[int, ...]] = {}

    async def deployed(self, model_id: str, version: str) -> RegisteredModel:
        """The model to answer with; the deployed version where `version` is empty. Raises ModelUnavailableError."""
        model = await self._ledger.model(model_id, version)
        if model is None:
            raise await self._absent(model_id, version)
        standing = await self.standing(model)
        if not standing.ready:
            raise ModelUnavailableError(standing.reason, standing.message)
        return model

    async def standing(self, model: RegisteredModel) -> Standing:
        """Whether the service answers with this version."""
        if model.status != Status.DEPLOYED:
            return Standing(model, MODEL_NOT_DEPLOYED, f"model {model.id} {model.version} is {model.status}")
        reason, message = await asyncio.to_thread(self._file_fault, model.sha256)
        return Standing(model, reason, message)

    async def standings(self) -> list[Standing]:
        """Every version known on the ledger, ordered by id, then version."""
        return [await self.standing(model) for model in await self._ledger.models()]

    async def described(self, model_id: str, version: str) -> Standing:
        """One version; where `version` is empty the deployed one, else the newest. Raises ModelNotFoundError."""
        model = await self._ledger.model(model_id, version)
        if model is None and not version:
            versions = [each for each in await self._ledger.models() if each.id == model_id]
            model = max(versions, key=lambda each: each.proposed, default=None)
        if model is None:
            raise ModelNotFoundError
        return await self.standing(model)

    async def _absent(self, model_id: str, version: str) -> ModelUnavailableError:
        known = [] if version else [each for each in await self._ledger.models() if each.id == model_id]
        if not known:
            name = f"{model_id} {version}".rstrip()
            return ModelUnavailableError(UNKNOWN_MODEL, f"model {name} is not registered on the ledger")
        versions = ", ".join(f"{each.version} is {each.status}" for each in known)
        return ModelUnavailableError(MODEL_NOT_DEPLOYED, f"no version of model {model_id} is deployed: {versions}")

    def _file_fault(self, sha256: str) -> tuple[str, str]:
        stamp = self._repository.stamp(sha256)
        if stamp and self._found_right.get(sha256) == stamp:
            return "", ""
        try:
            self._repository.load(sha256)
        except ModelFileError as error:
            return MODEL_FILE_DIFFERS, str(error)
        self._found_right[sha256] = stamp
        return "", ""
