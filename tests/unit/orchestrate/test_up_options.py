"""The options of `up` that Compose has too: they mean the same, on the fake engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from orchestration import IMAGE, World, service, stack

from devenv.errors import ImageMissing, UnknownName, UsageError
from devenv.model.stack import Build, Dependency, Stack
from devenv.model.state import Health
from devenv.orchestrate.up import UpOptions, settle
from devenv.testing import Script


def shop() -> Stack:
    return stack(service("db"), service("web", depends_on=(Dependency(service="db"),)))


async def actions(world: World, wanted: Stack, **options: object) -> list[str]:
    return [" ".join(line.split()) for line in (await world.plan(wanted, **options)).splitlines()]


async def test_force_recreate_replaces_what_is_unchanged_but_not_the_backend_that_devenv_adds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("devenv.orchestrate.published_ports.is_free", lambda *_: True)  # whatever this machine runs
    world = World()
    plain = stack(service("db"), service("web", depends_on=(Dependency(service="db"),)), backend=False)
    await world.up(plain)
    planned = await actions(world, plain, force_recreate=True)
    assert "replace P-db-1 (requested)" in planned
    assert any(line.startswith("replace P-web-1 (requested)") for line in planned)
    assert "keep P-jaeger-1" in planned


async def test_force_recreate_of_one_service_leaves_its_dependencies_alone() -> None:
    world = World()
    await world.up(shop())
    planned = await actions(world, shop(), force_recreate=True, services=("web",))
    assert "keep P-db-1" in planned
    assert any(line.startswith("replace P-web-1 (requested)") for line in planned)


async def test_without_dependencies_only_the_named_services_and_the_backend_come_up() -> None:
    world = World()
    result = await world.up(shop(), services=("web",), dependencies=False)
    assert [item.service.name for item in result.services] == ["web", "jaeger"]
    assert not result.failed
    assert {instance.spec.service.name for instance in world.engine.instances.values()} == {"web", "jaeger"}


async def test_scale_takes_precedence_over_the_file() -> None:
    world = World()
    await world.up(shop(), scale={"web": 3})
    assert "keep P-web-3" in await actions(world, shop(), scale={"web": 3})
    assert "remove P-web-3 (replicas is 1)" in await actions(world, shop())
    assert "remove P-web-1 (replicas is 0)" in await actions(world, shop(), scale={"web": 0})
    with pytest.raises(UnknownName, match="no service 'wep'"):
        await actions(world, shop(), scale={"wep": 2})


async def test_no_build_names_the_image_that_would_be_built() -> None:
    world = World()
    wanted = stack(service("web", image="made:1", build=Build(context=Path("/nowhere"))))
    with pytest.raises(ImageMissing, match=r"image made:1 of web would be built \(missing\), which --no-build forbids"):
        await actions(world, wanted, no_build=True)
    await world.up(wanted)
    assert not [line for line in await actions(world, wanted, no_build=True) if line.startswith("build")]


async def test_pull_gets_images_that_are_there_but_not_those_of_a_policy_that_forbids_it() -> None:
    world = World()
    built = service("made", image="made:1", build=Build(context=Path("/nowhere")))
    wanted = stack(service("web"), service("own", image="own:1", pull_policy="never"), built)
    world.engine.images["own:1"] = world.engine.images[IMAGE]
    pulled = [line for line in await actions(world, wanted, pull=True) if line.startswith("pull")]
    assert f"pull {IMAGE} for web (requested)" in pulled
    assert not [line for line in pulled if "own" in line or "made" in line]


async def test_wait_for_ends_when_these_are_ready_and_starts_all() -> None:
    world = World()
    probed: dict[str, Any] = {"ready": {"log": "ready"}}
    wanted = stack(
        service("db", x=probed),
        service("web", depends_on=(Dependency(service="db", condition="service_healthy"),), x=probed),
        service("worker", x=probed),
    )
    ready = ((0.5, "ready"),)
    world.engine.scripts |= {"db": Script(logs=ready), "web": Script(logs=ready), "worker": Script()}  # never ready
    result = await world.up(wanted, wait_for=("db",))
    health = {item.service.name: item.health for item in result.services}
    assert health == {"db": Health.HEALTHY, "web": Health.STARTING, "worker": Health.STARTING, "jaeger": Health.HEALTHY}
    assert not result.failed
    assert {item.spec.service.name for item in world.engine.instances.values() if item.started_at} == set(health)
    settled = await settle(
        world.engine, world.project, result, UpOptions(), clock=world.clock, sink=world.events.append
    )
    assert not settled.failed


async def test_wait_for_a_service_waits_for_what_it_needs() -> None:
    world = World()
    wanted = stack(
        service("db", x={"ready": {"log": "ready"}}),
        service("web", depends_on=(Dependency(service="db", condition="service_healthy"),)),
    )
    waits = [line for line in (await world.schedule(wanted, wait_for=("web",))).splitlines() if "wait" in line]
    assert [line.split()[2] for line in waits] == ["P-db-1", "P-web-1", "P-jaeger-1"]
    waits = [line for line in (await world.schedule(wanted, wait_for=("db",))).splitlines() if "wait" in line]
    assert [line.split()[2] for line in waits] == ["P-db-1", "P-jaeger-1"]


async def test_wait_for_names_only_what_is_started() -> None:
    world = World()
    with pytest.raises(UnknownName, match="no service 'wep'"):
        await world.up(shop(), wait_for=("wep",))
    with pytest.raises(UsageError, match="--wait-for web: this command does not start web"):
        await world.up(shop(), services=("db",), wait_for=("web",))


async def test_persist_is_the_key_of_the_stack_file_for_one_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devenv.orchestrate.published_ports.is_free", lambda *_: True)  # whatever this machine runs
    world = World()
    plain = stack(service("web"), backend=False)
    await world.up(plain, persist=True)
    same = stack(service("web"), backend=False, x={"jaeger": {"storage": "badger"}})
    assert "keep P-jaeger-1" in await actions(world, same)
    result = await world.down()
    assert result.kept_volumes == (f"{world.project.id}_jaeger-data",)
    await world.up(plain, persist=True)
    assert any(line.startswith("replace P-jaeger-1") for line in await actions(world, plain))
    assert (await world.down(volumes=True)).removed["volumes"] == (f"{world.project.id}_jaeger-data",)
