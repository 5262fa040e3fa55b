"""What is refused or warned of before anything starts."""

from __future__ import annotations

from typing import Any

import pytest
from orchestration import IMAGE, World, service, stack

from devenv.errors import ConfigurationError
from devenv.events import Notice
from devenv.model.stack import Dependency, Healthcheck
from devenv.testing import FakeImage


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
    ("db", "image", "warned"),
    [
        ({}, (), True),
        ({}, ("CMD", "true"), False),
        ({"healthcheck": Healthcheck(test=("CMD", "true"))}, (), False),
    ],
)
async def test_a_dependency_that_nothing_checks_is_told(
    db: dict[str, Any], image: tuple[str, ...], warned: bool
) -> None:
    world = World()
    world.engine.images = {**world.engine.images, IMAGE: FakeImage("sha256:1", healthcheck=image)}
    depends = [Dependency(service="db", condition="service_healthy")]
    await world.up(stack(service("db", **db), service("web", depends_on=depends)))
    notices = [event.message for event in world.events if isinstance(event, Notice) and event.warning]
    text = "web waits until db is healthy, but db has no healthcheck: it counts as healthy when it has stayed up"
    assert [notice.partition(": ")[2] for notice in notices] == [text] * warned
