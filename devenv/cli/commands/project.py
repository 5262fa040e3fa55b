"""Commands about the project and the machine: doctor, stacks, config."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.globals import Globals
from devenv.cli.runner import run_async

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.model.listings import ConfigDocument, DoctorDocument, StacksDocument

stacks_app = typer.Typer(no_args_is_help=False, help="List and show available stacks.")
_MARKS = {"ok": "✔", "warning": "!", "error": "✘", "skipped": "·"}


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: devenv doctor")(doctor)
    app.command(epilog="Example: devenv config --origin")(config)
    stacks_app.callback(invoke_without_command=True, epilog="Example: devenv stacks list")(stacks)
    stacks_app.command("list", epilog="Example: devenv stacks list")(list_)
    stacks_app.command("show", epilog="Example: devenv stacks show sample")(show)
    app.add_typer(stacks_app, name="stacks")


def doctor(context: typer.Context) -> None:
    """Check engine, versions, ports, disk, images and trace backend. Exits with 3 if a check fails."""
    from devenv.app.environment import doctor as use_case

    state: Globals = context.obj
    document = run_async(lambda: use_case.doctor(state.invocation))
    state.show(document, _show_doctor)
    raise typer.Exit(use_case.verdict_code(document))


def config(
    context: typer.Context,
    origin: Annotated[bool, typer.Option("--origin", help="Show where each value comes from.")] = False,
) -> None:
    """Show the resolved stack in Compose's long form."""
    from devenv.app.environment import stacks as use_case

    state: Globals = context.obj
    state.show(use_case.resolved(state.invocation, origins=origin), _show_config)


def stacks(context: typer.Context) -> None:
    """List and show available stacks. Without a subcommand, list them."""
    if context.invoked_subcommand is None:
        list_(context)


def list_(context: typer.Context) -> None:
    """List available stacks. The default is marked with *."""
    from devenv.app.environment import stacks as use_case

    state: Globals = context.obj
    state.show(use_case.list_stacks(state.invocation), _show_stacks)


def show(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(help="Name of a folder in stacks/.", metavar="NAME")] = None,
) -> None:
    """Show one resolved stack."""
    from dataclasses import replace

    from devenv.app.environment import stacks as use_case

    state: Globals = context.obj
    invocation = replace(state.invocation, stack=name) if name else state.invocation
    state.show(use_case.resolved(invocation), _show_config)


def _show_doctor(document: DoctorDocument, output: Output) -> None:
    for check in document.checks:
        output.line(f"{_MARKS[check.verdict]} {check.name:<16} {check.found}")
        if check.hint:
            output.line(f"  {'':<16} {check.hint}")


def _show_stacks(document: StacksDocument, output: Output) -> None:
    for stack in document.stacks:
        output.line(f"{'*' if stack.default else ' '} {stack.name:<20} {', '.join(stack.files)}")
    if not document.stacks:
        output.line("No stacks found. Add a compose.yaml to this directory or to a folder in stacks/.")


def _show_config(document: ConfigDocument, output: Output) -> None:
    from devenv.stack.dump import yaml_text

    if document.notice:
        output.note(document.notice)
    for warning in document.warnings:
        output.note(f"warning: {warning}")
    if document.origins:
        for path, origin in document.origins.items():
            output.line(f"{path}: {origin}")
        return
    output.lines(yaml_text(document.config).rstrip())
