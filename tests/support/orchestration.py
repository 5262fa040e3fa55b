"""Stacks of model values, and up and down on the fake engine, for the tests of orchestration."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devenv.events import Event
from devenv.model.extension import StackExtension
from devenv.model.identity import Project, identify
from devenv.model.stack import Attachment, Dependency, Network, Service, Stack, Volume
from devenv.orchestrate.down import DownOptions, DownResult, take_down
from devenv.orchestrate.up import UpOptions, UpResult, bring_up, make_plan
from devenv.testing import FakeClock, FakeEngine, FakeImage, Script, make_service

IMAGE = "shop:1"
JAEGER = "jaegertracing/jaeger:2.13.0"


def service(name: str, **fields: Any) -> Service:
    """A service that runs `shop:1` on the default network."""
    given = fields.pop("depends_on", ())
    depends = tuple(Dependency(service=item) if isinstance(item, str) else item for item in given)
    fields.setdefault("image", IMAGE)
    if "network_mode" not in fields:
        fields.setdefault("networks", (Attachment(network="default"),))
    return make_service(name, depends_on=depends, **fields)


def stack(
    *services: Service,
    x: dict[str, Any] | None = None,
    directory: Path = Path("/nowhere/shop"),
    backend: bool = True,
    **more: Any,
) -> Stack:
    """A stack of `services` with a default network and with a backend that publishes nothing on this machine."""
    networks = more.pop("networks", {"default": Network(key="default")})
    if backend:
        services = (*services, service("jaeger", image=JAEGER))
    return Stack(
        name="shop",
        directory=directory,
        files=(directory / "compose.yaml",),
        services={item.name: item for item in services},
        x=StackExtension.model_validate(x or {}),
        networks=networks,
        **more,
    )


def volumes(*keys: str) -> dict[str, Volume]:
    return {key: Volume(key=key) for key in keys}


@dataclass
class World:
    """A fake engine with its clock, one project, and every event so far."""

    directory: Path = Path("/nowhere/shop")
    clock: FakeClock = field(default_factory=FakeClock)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.engine = FakeEngine(self.clock)
        self.engine.images = {IMAGE: FakeImage("sha256:1"), JAEGER: FakeImage("sha256:jaeger")}
        self.engine.scripts = {"jaeger": Script()}
        self.project: Project = identify(self.directory, "shop")

    async def up(self, wanted: Stack, **options: Any) -> UpResult:
        return await bring_up(
            self.engine, self.project, wanted, UpOptions(**options), clock=self.clock, sink=self.events.append
        )

    async def plan(self, wanted: Stack, **options: Any) -> str:
        """The printed plan, with the project's id written as `P`."""
        made = await make_plan(self.engine, self.project, wanted, UpOptions(**options), sink=self.events.append)
        return str(made).replace(self.project.id, "P")

    async def schedule(self, wanted: Stack, **options: Any) -> str:
        """The steps of the plan, with the project's ID written as `P`."""
        made = await make_plan(self.engine, self.project, wanted, UpOptions(**options), sink=self.events.append)
        return made.schedule.replace(self.project.id, "P")

    async def down(self, **options: Any) -> DownResult:
        return await take_down(
            self.engine, self.project, DownOptions(**options), clock=self.clock, sink=self.events.append
        )

    def named(self, *kinds: type[Event]) -> list[str]:
        """Services of the events of `kinds`, in order."""
        return [event.service for event in self.events if isinstance(event, kinds)]  # type: ignore[attr-defined]
