"""Commands for the tracing agents of other languages: agents list, add and remove."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from devenv.cli.globals import Globals
from devenv.cli.runner import run_async

agents_app = typer.Typer(no_args_is_help=False, help="Add, list and remove the tracing agents of Node.js and Java.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    agents_app.callback(invoke_without_command=True, epilog="Example: devenv agents list")(agents)
    agents_app.command("list", epilog="Example: devenv agents list")(list_)
    agents_app.command("add", epilog="Example: devenv agents add node")(add)
    agents_app.command("remove", epilog="Example: devenv agents remove node")(remove)
    app.add_typer(agents_app, name="agents")


def agents(context: typer.Context) -> None:
    """Add, list and remove the tracing agents of Node.js and Java. Without a subcommand, list them."""
    if context.invoked_subcommand is None:
        list_(context)


def list_(context: typer.Context) -> None:
    """List the agents that `up` can put into services."""
    from devenv.app.agents import use_cases
    from devenv.cli.views.agents import show_agents

    state: Globals = context.obj
    state.show(use_cases.list_agents(state.invocation.environ), show_agents)


def add(
    context: typer.Context,
    language: Annotated[str, typer.Argument(help="node or java.", metavar="LANGUAGE")],
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Take the agent from a file: a jar for java, a folder or tarball with node_modules for node.",
        ),
    ] = None,
) -> None:
    """Fetch OpenTelemetry's agent with your npm or Maven, so that `up` can trace services of this language."""
    from devenv.app.agents import use_cases
    from devenv.cli.views.agents import show_agents

    state: Globals = context.obj
    file = None if from_ is None else state.invocation.start / from_
    environ, tell = state.invocation.environ, state.output.note
    state.show(run_async(lambda: use_cases.add_agent(language, environ=environ, tell=tell, file=file)), show_agents)


def remove(
    context: typer.Context, language: Annotated[str, typer.Argument(help="node or java.", metavar="LANGUAGE")]
) -> None:
    """Remove an agent."""
    from devenv.app.agents import use_cases
    from devenv.cli.views.agents import show_agents

    state: Globals = context.obj
    state.show(use_cases.remove_agent(language, environ=state.invocation.environ), show_agents)
