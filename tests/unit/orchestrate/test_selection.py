"""What is refused or warned of before anything starts."""

from __future__ import annotations

import pytest
from orchestration import World, service, stack

from devenv.errors import ConfigurationError
from devenv.events import Notice
from devenv.model.stack import Dependency, Healthcheck


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
