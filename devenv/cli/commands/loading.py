"""Commands for load runs: load and runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from devenv.cli.globals import Globals
from devenv.cli.runner import run_async
from devenv.clock import SystemClock

if TYPE_CHECKING:
    from devenv.load.options import LoadOptions

runs_app = typer.Typer(no_args_is_help=False, help="List and show past load runs.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: devenv load --rps 50 --duration 10s --fail 'traced==100%'")(load)
    runs_app.callback(invoke_without_command=True, epilog="Example: devenv runs list")(runs)
    runs_app.command("list", epilog="Example: devenv runs list --json")(list_runs)
    runs_app.command("show", epilog="Example: devenv runs show")(show)
    app.add_typer(runs_app, name="runs")


def load(
    context: typer.Context,
    rps: Annotated[
        float, typer.Option(help="Requests per second.", envvar="DEVENV_RPS", min=0.001, metavar="RATE")
    ] = 50.0,
    duration: Annotated[
        str, typer.Option(help="Duration of the run.", envvar="DEVENV_DURATION", metavar="DURATION")
    ] = "30s",
    stages: Annotated[
        str | None,
        typer.Option(
            help="Ramps instead of --rps and --duration: "
            "30s:50,1m:200 rises to 50 requests/s in 30 s, then to 200 in 1 min.",
            metavar="STAGES",
        ),
    ] = None,
    arrivals: Annotated[str, typer.Option(help="Arrival process: uniform or poisson.", metavar="NAME")] = "uniform",
    scenario: Annotated[str | None, typer.Option(help="Scenario from x-devenv.load.scenarios.", metavar="NAME")] = None,
    target: Annotated[
        str | None, typer.Option(help="Base URL of the requests. Default: the entry point.", metavar="URL")
    ] = None,
    max_in_flight: Annotated[
        int,
        typer.Option(help="Maximum number of concurrent requests; more are dropped and counted.", min=1, metavar="N"),
    ] = 1000,
    timeout: Annotated[str, typer.Option(help="Timeout of each request.", metavar="DURATION")] = "10s",
    fail: Annotated[
        list[str] | None,
        typer.Option(
            help="Fail if this threshold is not met, such as 'p99<250ms', 'errors<1%' or 'traced==100%'. Repeatable.",
            metavar="EXPR",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run.", metavar="NAME")] = None,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not verify the traces after the run.")] = False,
    seed: Annotated[
        int | None, typer.Option(help="Random seed of poisson arrivals, to repeat a run.", metavar="N")
    ] = None,
) -> None:
    """Send requests at a constant arrival rate, then verify their traces."""
    from devenv.cli.arguments import seconds
    from devenv.load.options import LoadOptions, parse_stages

    options = LoadOptions(
        rps=rps,
        duration=seconds(duration, "--duration"),
        stages=parse_stages(stages) if stages else (),
        arrivals=arrivals,
        scenario=scenario,
        target=target,
        max_in_flight=max_in_flight,
        timeout=seconds(timeout, "--timeout"),
        fail=tuple(fail or ()),
        name=name,
        verify=not no_verify,
        seed=seed,
    )
    _load(context.obj, options)


def _load(state: Globals, options: LoadOptions) -> None:
    from devenv.app.load import load as use_case
    from devenv.cli.views import runs as view

    stop = asyncio.Event()
    with view.run_progress(state.output) as sink:
        document = run_async(
            lambda: use_case.load(state.invocation, options, clock=SystemClock(), sink=sink, stop=stop),
            on_interrupt=stop.set,
            fast_loop=True,
        )
    state.show(document, view.show_load)
    raise typer.Exit(use_case.verdict_code(document))


def runs(context: typer.Context) -> None:
    """List and show past load runs. Without a subcommand, list them."""
    if context.invoked_subcommand is None:
        list_runs(context)


def list_runs(context: typer.Context) -> None:
    """List saved runs, newest first."""
    from devenv.app.load import history as use_case
    from devenv.cli.views import runs as view

    state: Globals = context.obj
    state.show(use_case.listing(state.invocation), view.show_runs)


def show(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(help="Run ID or name. Default: the last run.", metavar="RUN")] = None,
) -> None:
    """Show the summary of a run."""
    from devenv.app.load import history as use_case
    from devenv.cli.views import runs as view

    state: Globals = context.obj
    state.show(use_case.show_run(state.invocation, run), view.show_load)
