"""The life of a model: proposed, validated, deployed, suspended, retired.

Rules:

1. A step is legal only where `TRANSITIONS` has it, taken by a party it names: the owner (role owner or admin of the
   organisation that proposed the model) or the regulator (role inspector or admin of the regulator's organisation).
2. A model's id belongs to the organisation that proposed it first.
3. A version is proposed with its card, kept verbatim; the card cannot change afterwards, nor can a version be reused.
4. Validation takes an evaluation that meets every acceptance criterion of the card.
5. One version of an id is deployed at a time; the former one is suspended or retired first.
6. What the regulator suspended, only the regulator resumes.

Public state: `model/<id>/<version>` holds the version, `model-id/<id>` who owns the id and which version is deployed.
Times are the transactions'. Reasons: ACCESS_DENIED, NOT_OWNER, BAD_CARD, NOT_ACCEPTED, ALREADY_EXISTS, NOT_FOUND,
WRONG_STATUS, ALREADY_DEPLOYED, BAD_REASON, STALE_TIMESTAMP.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from chaincode.api.clock import Clock, system_clock
from chaincode.api.clock import check as check_time
from chaincode.api.context import Context
from chaincode.api.contract import Contract, transaction
from chaincode.api.errors import ContractError
from chaincode.core import canonical, card, record

MAX_REASON = 500

Versions = list[dict[str, Any]]


class Party(StrEnum):
    """Who takes a step."""

    OWNER = "owner"
    REGULATOR = "regulator"


class Status(StrEnum):
    """Where a version stands."""

    PROPOSED = "proposed"
    VALIDATED = "validated"
    DEPLOYED = "deployed"
    SUSPENDED = "suspended"
    RETIRED = "retired"


_OWNER = frozenset({Party.OWNER})
_REGULATOR = frozenset({Party.REGULATOR})
_EITHER = _OWNER | _REGULATOR

# (status, function) -> (next status, who may)
TRANSITIONS: Mapping[tuple[Status, str], tuple[Status, frozenset[Party]]] = {
    (Status.PROPOSED, "Validate"): (Status.VALIDATED, _REGULATOR),
    (Status.VALIDATED, "Deploy"): (Status.DEPLOYED, _OWNER),
    (Status.DEPLOYED, "Suspend"): (Status.SUSPENDED, _EITHER),
    (Status.SUSPENDED, "Resume"): (Status.DEPLOYED, _EITHER),
    (Status.PROPOSED, "Retire"): (Status.RETIRED, _EITHER),
    (Status.VALIDATED, "Retire"): (Status.RETIRED, _EITHER),
    (Status.DEPLOYED, "Retire"): (Status.RETIRED, _EITHER),
    (Status.SUSPENDED, "Retire"): (Status.RETIRED, _EITHER),
}


class ModelsContract(Contract):
    """Functions `Propose`, `Validate`, `Deploy`, `Suspend`, `Resume`, `Retire`, `Get`, `List`."""

    name = "models"

    def __init__(self, regulator: str, clock: Clock = system_clock) -> None:
        self._regulator = regulator
        self._clock = clock

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Settings: `regulator`, the MSP id of the organisation that validates."""
        regulator = config.get("regulator")
        if not isinstance(regulator, str) or not regulator:
            raise ValueError("contract models needs the setting `regulator`, an MSP id")
        return cls(regulator)

    @transaction
    def propose(self, ctx: Context, card_json: str) -> dict[str, Any]:
        """Registers a version with its card (canonical JSON). The caller's organisation must be the card's owner."""
        check_time(ctx.now, self._clock())
        client = ctx.client_identity
        client.assert_role("owner", "admin")
        described = _read_card(card_json)
        if described.owner != client.msp_id:
            raise ContractError("NOT_OWNER", "the card names another organisation as the model's owner")
        name = self._name(ctx, described.id)
        if name and name["owner"] != client.msp_id:
            raise ContractError("NOT_OWNER", f"model {described.id} belongs to another organisation")
        key = ctx.stub.create_composite_key("model", [described.id, described.version])
        if ctx.stub.get_state(key):
            raise ContractError("ALREADY_EXISTS", f"model {described.id} {described.version} is registered")
        model = {
            "id": described.id,
            "version": described.version,
            "owner": client.msp_id,
            "sha256": described.sha256,
            "card": card_json,
            "card_sha256": canonical.sha256_hex(card_json.encode()),
            "status": Status.PROPOSED,
            "evaluation": None,
            "history": [_step(ctx, "Propose", Status.PROPOSED, Party.OWNER)],
        }
        ctx.stub.put_state(key, canonical.encode(model))
        if not name:
            self._put_name(ctx, described.id, client.msp_id, "")
        return model

    @transaction
    def validate(self, ctx: Context, model_id: str, version: str, evaluation: dict[str, Any]) -> dict[str, Any]:
        """Records an evaluation {"dataset_sha256", "rows", "metrics": {name: number}} that meets the card."""
        model, party = self._may(ctx, model_id, version, "Validate")
        problems = card.acceptance_problems(_read_card(model["card"]), evaluation)
        if problems:
            raise ContractError("NOT_ACCEPTED", "; ".join(problems))
        model["evaluation"] = evaluation
        return self._advance(ctx, model, "Validate", party)

    @transaction
    def deploy(self, ctx: Context, model_id: str, version: str) -> dict[str, Any]:
        """Puts a validated version to use."""
        model, party = self._may(ctx, model_id, version, "Deploy")
        return self._advance(ctx, model, "Deploy", party)

    @transaction
    def suspend(self, ctx: Context, model_id: str, version: str, reason: str) -> dict[str, Any]:
        """Takes a deployed version out of use. The reason (1 to 500 characters) is public: nothing personal in it."""
        model, party = self._may(ctx, model_id, version, "Suspend")
        if not 1 <= len(reason) <= MAX_REASON:
            raise ContractError("BAD_REASON", f"a reason has 1 to {MAX_REASON} characters")
        return self._advance(ctx, model, "Suspend", party, reason)

    @transaction
    def resume(self, ctx: Context, model_id: str, version: str) -> dict[str, Any]:
        """Puts a suspended version back to use."""
        model, party = self._may(ctx, model_id, version, "Resume")
        if party is Party.OWNER and model["history"][-1]["party"] == Party.REGULATOR:
            raise ContractError("ACCESS_DENIED", "the regulator suspended this model: only the regulator resumes it")
        return self._advance(ctx, model, "Resume", party)

    @transaction
    def retire(self, ctx: Context, model_id: str, version: str) -> dict[str, Any]:
        """Ends a version's life."""
        model, party = self._may(ctx, model_id, version, "Retire")
        return self._advance(ctx, model, "Retire", party)

    @transaction(readonly=True)
    def get(self, ctx: Context, model_id: str, version: str = "") -> dict[str, Any]:
        """One version, or the deployed one where `version` is empty."""
        if not version:
            version = (self._name(ctx, model_id) or {"deployed": ""})["deployed"]
            if not version:
                raise ContractError("NOT_FOUND", f"no version of model {model_id} is deployed")
        return self._get(ctx, model_id, version)

    @transaction(readonly=True)
    def list(self, ctx: Context) -> Versions:
        """Every version of every model, ordered by id, then version."""
        found = ctx.stub.get_state_by_partial_composite_key("model", [])
        return [canonical.decode(each.value) for each in found]

    def _get(self, ctx: Context, model_id: str, version: str) -> dict[str, Any]:
        value = ctx.stub.get_state(ctx.stub.create_composite_key("model", [model_id, version]))
        if not value:
            raise ContractError("NOT_FOUND", f"model {model_id} {version} is not registered")
        model: dict[str, Any] = canonical.decode(value)
        return model

    def _may(self, ctx: Context, model_id: str, version: str, function: str) -> tuple[dict[str, Any], Party]:
        """The version, and as what the caller may take this step. Raises `ContractError`."""
        check_time(ctx.now, self._clock())
        model = self._get(ctx, model_id, version)
        client = ctx.client_identity
        parties = set()
        if client.msp_id == model["owner"] and client.role in ("owner", "admin"):
            parties.add(Party.OWNER)
        if client.msp_id == self._regulator and client.role in ("inspector", "admin"):
            parties.add(Party.REGULATOR)
        if not parties:
            raise ContractError("ACCESS_DENIED", "this takes the model's owner or the regulator")
        step = TRANSITIONS.get((Status(model["status"]), function))
        if step is None:
            raise ContractError(
                "WRONG_STATUS", f"model {model_id} {version} is {model['status']}: no {function} from here"
            )
        taken_as = parties & step[1]
        if not taken_as:
            raise ContractError("ACCESS_DENIED", f"{function} takes the {' or the '.join(sorted(step[1]))}")
        return model, min(taken_as, key=list(Party).index)

    def _advance(
        self, ctx: Context, model: dict[str, Any], function: str, party: Party, reason: str = ""
    ) -> dict[str, Any]:
        former = Status(model["status"])
        status, _ = TRANSITIONS[former, function]
        if Status.DEPLOYED in (former, status):
            self._keep_one_deployed(ctx, model, status)
        model["status"] = status
        model["history"].append(_step(ctx, function, status, party, reason))
        key = ctx.stub.create_composite_key("model", [model["id"], model["version"]])
        ctx.stub.put_state(key, canonical.encode(model))
        return model

    def _keep_one_deployed(self, ctx: Context, model: dict[str, Any], status: Status) -> None:
        deployed = (self._name(ctx, model["id"]) or {"deployed": ""})["deployed"]
        if status is Status.DEPLOYED and deployed:
            raise ContractError("ALREADY_DEPLOYED", f"version {deployed} is deployed: suspend or retire it first")
        self._put_name(ctx, model["id"], model["owner"], model["version"] if status is Status.DEPLOYED else "")

    def _name(self, ctx: Context, model_id: str) -> dict[str, str] | None:
        value = ctx.stub.get_state(ctx.stub.create_composite_key("model-id", [model_id]))
        return canonical.decode(value) if value else None

    def _put_name(self, ctx: Context, model_id: str, owner: str, deployed: str) -> None:
        value = canonical.encode({"owner": owner, "deployed": deployed})
        ctx.stub.put_state(ctx.stub.create_composite_key("model-id", [model_id]), value)


def _step(ctx: Context, function: str, status: Status, party: Party, reason: str = "") -> dict[str, str]:
    return {
        "function": function,
        "status": status,
        "party": party,
        "organisation": ctx.client_identity.msp_id,
        "time": record.format_time(ctx.now),
        "transaction_id": ctx.stub.get_tx_id(),
        "reason": reason,
    }


def _read_card(text: str) -> card.Card:
    try:
        described = card.parse(canonical.decode(text.encode()))
    except ValueError as error:
        raise ContractError("BAD_CARD", str(error)) from None
    if described.json != text.encode():
        raise ContractError("BAD_CARD", "the card is not written as canonical JSON")
    return described
