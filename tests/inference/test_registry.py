"""Models known on the ledger against files in the repository."""

from __future__ import annotations

import pytest

from services.inference.errors import ModelNotFoundError
from services.inference.registry import Registry
from tests.inference.world import World


async def test_a_deployed_model_with_its_file_is_ready(world: World) -> None:
    (standing,) = await world.registry().standings()
    assert standing.ready
    assert (standing.model.id, standing.model.version, standing.model.sha256) == ("sum", "1", world.sha256)


async def test_a_model_that_is_not_ready_says_why(world: World) -> None:
    world.propose("2")
    world.suspend()
    found = {each.model.version: (each.reason, each.message) for each in await world.registry().standings()}
    assert found == {
        "1": ("MODEL_NOT_DEPLOYED", "model sum 1 is suspended"),
        "2": ("MODEL_NOT_DEPLOYED", "model sum 2 is proposed"),
    }


async def test_a_file_that_changes_under_a_running_service_is_noticed(world: World) -> None:
    registry = world.registry()
    assert await ready(registry)
    world.model_file.write_bytes(b"tampered with")
    assert not await ready(registry)


async def test_a_file_that_is_put_right_is_served_again_at_once(world: World) -> None:
    registry, right = world.registry(), world.model_file.read_bytes()
    world.model_file.write_bytes(b"tampered with")
    assert not await ready(registry)
    world.model_file.write_bytes(right)
    assert await ready(registry)


async def test_a_suspension_is_seen_at_once(world: World) -> None:
    registry = world.registry()
    assert await ready(registry)
    world.suspend()
    assert not await ready(registry)


async def test_the_deployed_version_is_described_where_none_is_named(world: World) -> None:
    world.propose("2")
    assert (await world.registry().described("sum", "")).model.version == "1"


async def test_the_newest_version_is_described_where_none_is_deployed(world: World) -> None:
    world.suspend()
    world.propose("0.9")
    assert (await world.registry().described("sum", "")).model.version == "0.9"


async def test_a_model_that_nobody_registered_cannot_be_described(world: World) -> None:
    with pytest.raises(ModelNotFoundError):
        await world.registry().described("other", "")


async def ready(registry: Registry) -> bool:
    return (await registry.standings())[0].ready
