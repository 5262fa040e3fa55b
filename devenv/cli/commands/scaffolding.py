"""Commands that write project files: init and new service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from devenv.cli.globals import Globals
from devenv.errors import UsageError

new_app = typer.Typer(no_args_is_help=True, help="Add something new to the project.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: devenv init shop")(init)
    new_app.callback(epilog="Example: devenv new service orders --upstream user")(new)
    new_app.command("service", epilog="Example: devenv new service orders --upstream user --dry-run")(service)
    app.add_typer(new_app, name="new")


def init(
    context: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(metavar="DIR", help="Project directory. Created if it does not exist.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Project name. Default: the directory's name.", metavar="NAME")
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Compose file to prepare, relative to -C."),
    ] = None,
    entrypoint: Annotated[
        str | None, typer.Option(metavar="SERVICE", help="With --from: service that receives the requests.")
    ] = None,
    canary_path: Annotated[
        str | None, typer.Option(metavar="PATH", help="With --from: path that the canary requests. Default: /.")
    ] = None,
    library: Annotated[
        bool, typer.Option("--library", help="With --from: add the tracing library to vendor/.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be written and change nothing.")] = False,
) -> None:
    """Create a project from the sample stack, or prepare an existing Compose project (--from). Overwrites nothing."""
    from devenv.app.scaffold import init as of_the_sample
    from devenv.app.scaffold import init_existing as existing
    from devenv.cli.views import scaffolding as view

    state: Globals = context.obj
    if state.invocation.files or state.invocation.stack:
        raise UsageError(
            "init does not accept -f or -s", hint="to prepare a Compose file, run `devenv init --from FILE`"
        )
    if from_ is None:
        _refuse(
            {"--entrypoint": entrypoint, "--canary-path": canary_path, "--library": library}, "requires --from FILE"
        )
        document = of_the_sample.init_project(state.invocation, directory=directory, name=name, dry_run=dry_run)
    else:
        _refuse({"DIR": directory, "--name": name}, "cannot be used with --from")
        wanted = existing.PreparationOptions(
            file=from_, entrypoint=entrypoint, canary_path=canary_path or "/", library=library, dry_run=dry_run
        )
        document = existing.prepare_existing(state.invocation, wanted)
    state.show(document, view.show_init)


def new() -> None:
    """Add something new to the project."""


def service(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Service name: lowercase letters, digits and hyphens.", metavar="NAME")],
    template: Annotated[
        str, typer.Option(help="Template: python/starlette or python/fastapi.", metavar="NAME")
    ] = "python/starlette",
    port: Annotated[
        int | None, typer.Option(help="Port of the service. Default: the first free one.", metavar="N")
    ] = None,
    upstream: Annotated[
        list[str] | None, typer.Option(help="Service that the new one calls. Repeatable.", metavar="NAME")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the edits and new files without writing them.")
    ] = False,
) -> None:
    """Add a traced service to the stack: app, config.yaml, Dockerfile, tests, compose.yaml entry and gateway route."""
    from devenv.app.scaffold.new_service import ServiceWish, new_service
    from devenv.cli.views import scaffolding as view

    state: Globals = context.obj
    wish = ServiceWish(name=name, template=template, port=port, upstreams=tuple(upstream or ()))
    state.show(new_service(state.invocation, wish, dry_run=dry_run), view.show_new_service)


def _refuse(given: dict[str, object], why: str) -> None:
    for option, value in given.items():
        if value:
            raise UsageError(f"{option} {why}", hint="see `devenv init --help`")
