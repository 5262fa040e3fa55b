"""Commands that write into a project: init, new service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from devenv.cli.globals import Globals
from devenv.cli.views import scaffolding as view
from devenv.errors import UsageError

new_app = typer.Typer(no_args_is_help=True, help="Make something new in the project.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: devenv init shop; devenv init --from compose.yaml --dry-run")(init)
    new_app.callback(epilog="Example: devenv new service orders --upstream user")(new)
    new_app.command("service", epilog="Example: devenv new service orders --upstream user --dry-run")(service)
    app.add_typer(new_app, name="new")


def init(
    context: typer.Context,
    directory: Annotated[Path | None, typer.Argument(metavar="DIR", help="Made if it is not there.")] = None,
    name: Annotated[str | None, typer.Option(help="Of the project; by default the directory's.")] = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Prepare this Compose file; relative to -C."),
    ] = None,
    entrypoint: Annotated[str | None, typer.Option(metavar="SERVICE", help="With --from: where requests go.")] = None,
    canary_path: Annotated[
        str | None, typer.Option(metavar="PATH", help="With --from: what the canary asks for.")
    ] = None,
    library: Annotated[bool, typer.Option("--library", help="With --from: the tracing library into vendor/.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written and change nothing.")] = False,
) -> None:
    """A project with the sample stack, or what an existing Compose project needs (--from); nothing is overwritten."""
    from devenv.app.scaffold import init as of_the_sample
    from devenv.app.scaffold import init_existing as existing

    state: Globals = context.obj
    if state.invocation.files or state.invocation.stack:
        raise UsageError("init takes no -f and no -s", hint="devenv init --from FILE prepares a Compose file")
    if from_ is None:
        _refuse({"--entrypoint": entrypoint, "--canary-path": canary_path, "--library": library}, "needs --from FILE")
        document = of_the_sample.init_project(state.invocation, directory=directory, name=name, dry_run=dry_run)
    else:
        _refuse({"DIR": directory, "--name": name}, "and --from exclude each other")
        wanted = existing.Wanted(
            file=from_, entrypoint=entrypoint, canary_path=canary_path or "/", library=library, dry_run=dry_run
        )
        document = existing.prepare_existing(state.invocation, wanted)
    state.show(document, view.show_init)


def new() -> None:
    """Make something new in the project."""


def service(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Lower-case letters, digits and hyphens.", metavar="NAME")],
    template: Annotated[
        str, typer.Option(help="python/starlette or python/fastapi.", metavar="NAME")
    ] = "python/starlette",
    port: Annotated[int | None, typer.Option(help="The first free one by default.", metavar="N")] = None,
    upstream: Annotated[
        list[str] | None, typer.Option(help="A service that the new one asks; repeat for more.", metavar="NAME")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; print the edits and new files.")] = False,
) -> None:
    """A new traced service in the stack: app, config.yaml, Dockerfile, tests, its block in compose.yaml, its route."""
    from devenv.app.scaffold.new_service import ServiceWish, new_service

    state: Globals = context.obj
    wish = ServiceWish(name=name, template=template, port=port, upstreams=tuple(upstream or ()))
    state.show(new_service(state.invocation, wish, dry_run=dry_run), view.show_new_service)


def _refuse(given: dict[str, object], why: str) -> None:
    for option, value in given.items():
        if value:
            raise UsageError(f"{option} {why}", hint="devenv init --help says which options go together")
