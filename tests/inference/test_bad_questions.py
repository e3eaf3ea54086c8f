"""Questions that are refused before anything is recorded, and what the refusal says."""

from __future__ import annotations

import math
from typing import Any

import pytest

from services.inference.errors import InvalidQuestionError, ModelUnavailableError
from services.inference.question import MAX_BATCH, Measurement, Question
from tests.inference.world import CLINICIAN, OWNER, World, question

X, Y = Measurement("x", (1.0,)), Measurement("y", (2.0,))
RANGE = "takes a number from -10 to 10 mm"


async def violations(world: World, *questions: Question) -> dict[str, str]:
    """What the service says is wrong, by field; nothing is on the ledger then."""
    world.grant()
    height = world.ledger.height
    with pytest.raises(InvalidQuestionError) as caught:
        await world.diagnoser().diagnose(questions, CLINICIAN)
    assert world.ledger.height == height
    lead = "requests[0]." if len(questions) == 1 else ""
    return {each.field.removeprefix(lead): each.description for each in caught.value.violations}


@pytest.mark.parametrize(
    ("measurements", "field", "said"),
    [
        ((X,), "measurements[y]", f"is missing; it {RANGE}"),
        ((X, Y, Measurement("z", (1.0,))), "measurements[z]", "is no input of this model"),
        ((X, Y, Y), "measurements[y]", "is given more than once"),
        ((X, Measurement("y", (math.nan,))), "measurements[y]", f"is not a finite number; it {RANGE}"),
        ((X, Measurement("y", (-math.inf,))), "measurements[y]", f"is not a finite number; it {RANGE}"),
        ((X, Measurement("y", (10.5,))), "measurements[y]", f"is out of range; it {RANGE}"),
        ((X, Measurement("y", (1.0,), "cm")), "measurements[y]", f"is in another unit; it {RANGE}"),
        ((X, Measurement("y", ())), "measurements[y]", f"has 0 values; it {RANGE}"),
        ((X, Measurement("y", (1.0, 2.0))), "measurements[y]", f"has 2 values; it {RANGE}"),
        ((X, Measurement("y", (1.0,), "", "s" * 501)), "measurements[y]", "takes a source of at most 500 characters"),
    ],
    ids=["missing", "extra", "twice", "nan", "infinite", "range", "unit", "empty", "too many", "source"],
)
async def test_a_measurement_that_the_model_does_not_take_is_named_with_its_range(
    world: World, measurements: tuple[Measurement, ...], field: str, said: str
) -> None:
    assert await violations(world, question(measurements=measurements)) == {field: said}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("request_id", ""),
        ("request_id", "a b"),
        ("request_id", "r" * 65),
        ("model_id", ""),
        ("model_version", "1/2"),
        ("purpose", ""),
        ("purpose", "treat"),
        ("emergency_reason", "in a hurry"),
        ("amends", "r1"),
    ],
)
async def test_a_malformed_field_is_named(world: World, field: str, value: str) -> None:
    changes: dict[str, Any] = {field: value}
    assert list(await violations(world, question(**changes))) == [field]


async def test_a_patient_is_named_by_pseudonym(world: World) -> None:
    class Named:
        name = "Ann Archer"

    assert list(await violations(world, question(patient=Named()))) == ["patient"]  # type: ignore[arg-type]


@pytest.mark.parametrize("reason", ["", "  ", "r" * 501])
async def test_emergency_access_needs_a_reason(world: World, reason: str) -> None:
    asked = question(purpose="ETREAT", emergency_reason=reason)
    assert list(await violations(world, asked)) == ["emergency_reason"]


async def test_every_fault_is_named_at_once(world: World) -> None:
    asked = question(measurements=(Measurement("y", (99.0,)), Measurement("q", (1.0,))))
    assert set(await violations(world, asked)) == {"measurements[x]", "measurements[y]", "measurements[q]"}


async def test_one_bad_question_keeps_its_whole_batch_off_the_ledger(world: World) -> None:
    bad = question("r2", measurements=(X, Measurement("y", (99.0,))))
    assert list(await violations(world, question("r1"), bad)) == ["requests[1].measurements[y]"]


async def test_a_batch_names_each_request_once(world: World) -> None:
    found = await violations(world, question("r1"), question("r2"), question("r1"))
    assert list(found) == ["requests[0].request_id", "requests[2].request_id"]


@pytest.mark.parametrize("size", [0, MAX_BATCH + 1])
async def test_a_batch_has_a_size(world: World, size: int) -> None:
    assert list(await violations(world, *(question(f"r{n}") for n in range(size)))) == ["requests"]


async def test_a_message_tells_nothing_of_the_patient(world: World) -> None:
    world.grant()
    asked = question("request-7", measurements=(X, Measurement("y", (98.76,))))
    with pytest.raises(InvalidQuestionError) as caught:
        await world.diagnoser().diagnose([asked], CLINICIAN)
    said = f"{caught.value} {caught.value.violations}"
    assert not any(secret in said for secret in ("98.76", "request-7", asked.patient))


async def unavailable(world: World, asked: Question) -> str:
    world.grant()
    height = world.ledger.height
    with pytest.raises(ModelUnavailableError) as caught:
        await world.diagnoser().diagnose([asked], CLINICIAN)
    assert world.ledger.height == height
    return caught.value.reason


@pytest.mark.parametrize("version", ["", "1"])
async def test_an_unknown_model_is_not_served(world: World, version: str) -> None:
    assert await unavailable(world, question(model_id="other", model_version=version)) == "UNKNOWN_MODEL"


@pytest.mark.parametrize("version", ["", "1"])
async def test_a_suspended_model_is_not_served(world: World, version: str) -> None:
    world.suspend()
    assert await unavailable(world, question(model_version=version)) == "MODEL_NOT_DEPLOYED"


async def test_a_retired_model_is_not_served(world: World) -> None:
    world.submit(OWNER, "models", "Retire", "sum", "1")
    assert await unavailable(world, question(model_version="1")) == "MODEL_NOT_DEPLOYED"


async def test_a_proposed_model_is_not_served(world: World) -> None:
    world.propose("2")
    assert await unavailable(world, question(model_version="2")) == "MODEL_NOT_DEPLOYED"


async def test_a_model_suspended_before_endorsement_is_not_answered_with(world: World) -> None:
    world.grant()
    world.client.before["endorse"] = world.suspend
    with pytest.raises(ModelUnavailableError, match="MODEL_NOT_DEPLOYED"):
        await world.diagnoser().diagnose([question()], CLINICIAN)
    assert world.uses() == []


async def test_a_model_suspended_between_endorsement_and_commit_is_not_answered_with(world: World) -> None:
    world.grant()
    world.client.before["submit"] = world.suspend
    with pytest.raises(ModelUnavailableError, match="MODEL_NOT_DEPLOYED"):
        await world.diagnoser().diagnose([question()], CLINICIAN)
    assert world.uses() == []


async def test_a_model_whose_file_differs_is_not_served(world: World) -> None:
    world.model_file.write_bytes(b"tampered with")
    assert await unavailable(world, question()) == "MODEL_FILE_DIFFERS"


async def test_a_model_whose_file_is_missing_is_not_served(world: World) -> None:
    world.model_file.unlink()
    assert await unavailable(world, question()) == "MODEL_FILE_DIFFERS"
