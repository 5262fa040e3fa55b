"""The lines of `devenv up --dry-run`."""

from __future__ import annotations

import io

from orchestration import World, service, stack

from devenv.app.environment.descriptions import plan_document
from devenv.cli.output import Output, Style
from devenv.cli.views.services import show_plan
from devenv.model.stack import Dependency
from devenv.orchestrate.up import UpOptions, make_plan


async def test_a_plan_shows_its_actions_and_its_schedule() -> None:
    world = World()
    await world.up(stack(service("web")))
    wanted = stack(
        service("db"), service("web", depends_on=[Dependency(service="db", condition="service_healthy")], replicas=2)
    )
    made = await make_plan(world.engine, world.project, wanted, UpOptions(), sink=world.events.append)
    document = plan_document(made, project=world.project, stack="shop", engine="docker", engine_reason="")
    stdout = io.StringIO()
    show_plan(document, Output(style=Style(), stdout=stdout, stderr=io.StringIO(), live=False, colour=False))
    lines = [" ".join(line.split()) for line in stdout.getvalue().replace(world.project.id, "P").splitlines()]
    assert lines == [
        "P on the docker engine: 4 actions",
        "create P-db-1",
        "keep P-web-1",
        "create P-web-2",
        "keep P-jaeger-1",
        "Schedule; each step runs as soon as those that it waits for have ended:",
        "1 create P-db-1",
        "2 start P-db-1 after 1",
        "3 wait-ready P-db-1 after 2",
        "4 create P-web-2",
        "5 wait-ready P-web-1",
        "6 start P-web-2 after 4 when db is healthy",
        "7 wait-ready P-web-2 after 6",
        "8 wait-ready P-jaeger-1",
    ]
