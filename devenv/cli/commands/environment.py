"""Commands that manage the environment: up, down, stop, start, restart, status and wait."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from devenv.cli.globals import Globals
from devenv.cli.runner import run_async
from devenv.cli.views import services as view
from devenv.cli.views.progress import progress
from devenv.clock import SystemClock
from devenv.errors import NEGATIVE_VERDICT

Services = Annotated[list[str] | None, typer.Argument(metavar="SERVICE", help="Services to act on. Default: all.")]
Timeout = Annotated[
    str, typer.Option(help="Stop waiting after this time.", envvar="DEVENV_TIMEOUT", metavar="DURATION")
]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: devenv up --build --timeout 60s")(up)
    app.command(epilog="Example: devenv down --volumes")(down)
    app.command(epilog="Example: devenv stop user")(stop)
    app.command(epilog="Example: devenv start user")(start)
    app.command(epilog="Example: devenv restart gateway auth")(restart)
    app.command(epilog="Example: devenv status --json")(status)
    app.command(epilog="Example: devenv wait gateway --timeout 30s")(wait)


def up(
    context: typer.Context,
    services: Services = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan and change nothing.")] = False,
    build: Annotated[bool, typer.Option("--build", help="Build images even if they already exist.")] = False,
    no_build: Annotated[bool, typer.Option("--no-build", help="Fail if an image has to be built.")] = False,
    pull: Annotated[bool, typer.Option("--pull", help="Pull images even if they already exist.")] = False,
    force_recreate: Annotated[
        bool, typer.Option("--force-recreate", help="Replace instances even if nothing has changed.")
    ] = False,
    no_deps: Annotated[
        bool, typer.Option("--no-deps", help="Leave out the services that the named ones depend on.")
    ] = False,
    scale: Annotated[
        list[str] | None,
        typer.Option("--scale", help="Number of instances of a service. Repeat for several.", metavar="SERVICE=N"),
    ] = None,
    canary: Annotated[
        str | None, typer.Option("--canary", help="Path of the canary request, such as /health.", metavar="PATH")
    ] = None,
    no_canary: Annotated[bool, typer.Option("--no-canary", help="Skip the canary request.")] = False,
    wait_for: Annotated[
        list[str] | None,
        typer.Option(
            "--wait-for", help="End when this service is ready, not all. Repeat for several.", metavar="SERVICE"
        ),
    ] = None,
    timeout: Timeout = "120s",
    rollback: Annotated[
        bool, typer.Option("--rollback", help="If the start fails, remove what this command created.")
    ] = False,
    no_instrument: Annotated[
        bool, typer.Option("--no-instrument", help="Do not add tracing to services that have none.")
    ] = False,
    isolated: Annotated[
        bool, typer.Option("--isolated", help="Publish on free host ports reserved for this directory.")
    ] = False,
    persist: Annotated[
        bool, typer.Option("--persist", help="Keep the traces on disk, so that they outlive `devenv down`.")
    ] = False,
) -> None:
    """Start the stack, wait until all services are ready, and verify tracing with a canary request."""
    from devenv.app.environment import up as use_case
    from devenv.cli.arguments import exclude, scale_of, seconds, url_path
    from devenv.orchestrate.up import UpOptions

    state: Globals = context.obj
    exclude("--build", build, "--no-build", no_build)
    exclude("--canary", canary is not None, "--no-canary", no_canary)
    path = url_path(canary, "--canary")
    options = UpOptions(
        services=tuple(services or ()),
        dependencies=not no_deps,
        build=build,
        no_build=no_build,
        pull=pull,
        force_recreate=force_recreate,
        scale=scale_of(scale or ()),
        timeout=seconds(timeout, "--timeout"),
        rollback=rollback,
        wait_for=tuple(wait_for or ()),
        instrument=not no_instrument,
        isolated=isolated,
        persist=persist,
    )
    if dry_run:
        with progress(state.output) as sink:
            plan = run_async(lambda: use_case.plan(state.invocation, options, sink=sink))
        state.show(plan, view.show_plan)
        return
    request = use_case.UpRequest(
        options=options,
        canary=not no_canary,
        path=path,
        show_logs=state.output.style.verbose and not state.output.style.json,
    )
    with progress(state.output) as sink:
        document = run_async(lambda: use_case.up(state.invocation, request, clock=SystemClock(), sink=sink))
    state.show(document, partial(view.show_up, rolled_back=rollback))
    raise typer.Exit(use_case.verdict_code(document))


def down(
    context: typer.Context,
    services: Services = None,
    volumes: Annotated[bool, typer.Option("--volumes", help="Also remove named volumes.")] = False,
    remove_orphans: Annotated[  # noqa: ARG001 - what it asks for is always done
        bool,
        typer.Option("--remove-orphans", help="Has no effect, as services that the stack file has lost always go."),
    ] = False,
    all_projects: Annotated[
        bool,
        typer.Option(
            "--all-projects", help="Remove every project that devenv started, on Docker and as this user's processes."
        ),
    ] = False,
) -> None:
    """Stop the project, remove its resources except named volumes, and verify that none are left.

    Works without the stack file. Services that are not in it any more (orphans) are removed too.
    """
    from devenv.app.environment import down as use_case
    from devenv.orchestrate.down import DownOptions

    state: Globals = context.obj
    options = DownOptions(services=tuple(services or ()), volumes=volumes)
    act = use_case.down_all if all_projects else use_case.down
    with progress(state.output) as sink:
        document = run_async(lambda: act(state.invocation, options, clock=SystemClock(), sink=sink))
    state.show(document, view.show_down)
    raise typer.Exit(NEGATIVE_VERDICT if document.left else 0)


def stop(context: typer.Context, services: Services = None) -> None:
    """Stop services without removing them."""
    _change(context, "stop", services, "120s")


def start(context: typer.Context, services: Services = None, timeout: Timeout = "120s") -> None:
    """Start stopped services and wait until they are ready."""
    _change(context, "start", services, timeout)


def restart(context: typer.Context, services: Services = None, timeout: Timeout = "120s") -> None:
    """Restart services and wait until they are ready."""
    _change(context, "restart", services, timeout)


def _change(context: typer.Context, verb: str, services: list[str] | None, timeout: str) -> None:
    from devenv.app.environment import lifecycle
    from devenv.cli.arguments import seconds

    state: Globals = context.obj
    known: dict[str, lifecycle.Verb] = {"stop": "stop", "start": "start", "restart": "restart"}
    limit = seconds(timeout, "--timeout")
    names = tuple(services or ())
    with progress(state.output) as sink:
        document = run_async(
            lambda: lifecycle.change(
                state.invocation, known[verb], names, timeout=limit, clock=SystemClock(), sink=sink
            )
        )
    state.show(document, view.show_status)
    raise typer.Exit(lifecycle.verdict_code(document))


def status(
    context: typer.Context,
    no_usage: Annotated[bool, typer.Option("--no-usage", help="Do not show CPU and memory usage.")] = False,
) -> None:
    """Show state, health, ports, uptime, restarts, CPU and memory of each service.

    Exits with 1 if a service is down or unhealthy.
    """
    from devenv.app.environment import status as use_case

    state: Globals = context.obj
    document = run_async(lambda: use_case.status(state.invocation, clock=SystemClock(), usage=not no_usage))
    state.show(document, view.show_status)
    raise typer.Exit(use_case.verdict_code(document))


def wait(context: typer.Context, services: Services = None, timeout: Timeout = "120s") -> None:
    """Wait until services are ready, or have completed.

    Exits with 1 if a service has ended otherwise, and with 4 if the time is over.
    """
    from devenv.app.environment import wait as use_case
    from devenv.cli.arguments import seconds

    state: Globals = context.obj
    limit, names = seconds(timeout, "--timeout"), tuple(services or ())
    waited = run_async(lambda: use_case.wait(state.invocation, names, timeout=limit, clock=SystemClock()))
    state.show(waited.document, view.show_status)
    if waited.verdict:
        state.output.warn(f"devenv: {waited.verdict}")
    raise typer.Exit(waited.code)
