"""What is refused or warned of before anything starts."""

from __future__ import annotations

import pytest
from orchestration import World, service, stack

from devenv.contract.answers import ImageConfig
from devenv.errors import ConfigurationError
from devenv.events import Notice
from devenv.model.stack import Dependency, Healthcheck
from devenv.testing import FakeImage, Script


@pytest.mark.parametrize("ready", [{"http": "/health"}, {"tcp": True}])
async def test_a_probe_of_a_port_that_nothing_names_is_refused(ready: dict[str, object]) -> None:
    world = World()
    with pytest.raises(ConfigurationError, match="of web has no port, and the service has neither ports nor expose"):
        await world.up(stack(service("web", x={"ready": ready})))
    assert world.engine.instances == {}


@pytest.mark.parametrize("more", [{"x": {"ready": {"http": "/", "port": 81}}}, {"expose": (80,)}])
async def test_a_probe_of_a_port_that_is_named_is_not_refused(more: dict[str, object]) -> None:
    await World().plan(stack(service("web", **{"x": {"ready": {"http": "/"}}, **more})))


async def test_a_dependency_on_a_disabled_healthcheck_is_told() -> None:
    world = World()
    db = service("db", healthcheck=Healthcheck(disable=True))
    await world.plan(stack(db, service("web", depends_on=[Dependency(service="db", condition="service_healthy")])))
    (notice,) = [event for event in world.events if isinstance(event, Notice) and event.warning]
    assert "web waits until db is healthy, but the healthcheck of db is disabled" in notice.message


@pytest.mark.parametrize(
    ("check", "image_check", "warned"),
    [(None, (), True), (None, ("CMD", "true"), False), (Healthcheck(test=("CMD", "true")), (), False)],
)
async def test_a_dependency_that_has_to_be_healthy_but_has_no_check_is_told(
    check: Healthcheck | None, image_check: tuple[str, ...], warned: bool
) -> None:
    world = World()
    world.engine.images["db:1"] = FakeImage("sha256:db", ImageConfig(healthcheck=image_check))
    world.engine.scripts |= {"db": Script(), "web": Script()}
    db = service("db", image="db:1", healthcheck=check)
    await world.up(stack(db, service("web", depends_on=[Dependency(service="db", condition="service_healthy")])))
    told = [event.message for event in world.events if isinstance(event, Notice) and event.warning]
    assert [("web waits until db is healthy, but db has no healthcheck" in text) for text in told] == [True] * warned
