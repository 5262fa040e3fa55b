"""Commands that make something new in a project: new service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.globals import Globals

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.model.new_service import NewServiceDocument

new_app = typer.Typer(no_args_is_help=True, help="Make something new in the project.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    new_app.callback(epilog="Example: devenv new service orders --upstream user")(new)
    new_app.command("service", epilog="Example: devenv new service orders --upstream user --dry-run")(service)
    app.add_typer(new_app, name="new")


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
    from devenv.app.new_service import ServiceWish, new_service

    state: Globals = context.obj
    wish = ServiceWish(name=name, template=template, port=port, upstreams=tuple(upstream or ()))
    state.show(new_service(state.invocation, wish, dry_run=dry_run), _show_service)


def _show_service(document: NewServiceDocument, output: Output) -> None:
    verb = "would be " if document.dry_run else ""
    if document.diff:
        output.line(document.diff)
    output.line(f"Service {document.service} ({document.template}, port {document.port}) in {document.folder}")
    for done, paths in (("made", document.created), ("edited", document.edited), ("removed", document.removed)):
        for path in paths:
            output.line(f"  {verb}{done:<8} {path}")
    if document.by_hand:
        output.line("By hand:")
    for hint in document.by_hand:
        output.line(f"  - {hint}")
    if not document.dry_run:
        output.line(f"Next: {', '.join(document.next)}.")
