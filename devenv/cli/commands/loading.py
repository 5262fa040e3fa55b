"""Commands of load: load and runs."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from devenv.cli.globals import Globals
from devenv.cli.runner import run_async
from devenv.cli.views import runs as view
from devenv.clock import SystemClock

runs_app = typer.Typer(no_args_is_help=False, help="Past load runs.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command(epilog="Example: devenv load --rps 50 --duration 10s --fail 'p99<250ms' --fail 'traced==100%'")(load)
    runs_app.callback(invoke_without_command=True, epilog="Example: devenv runs list")(runs)
    runs_app.command("list", epilog="Example: devenv runs list --json")(list_runs)
    runs_app.command("show", epilog="Example: devenv runs show")(show)
    app.add_typer(runs_app, name="runs")


def load(
    context: typer.Context,
    rps: Annotated[float, typer.Option(help="Requests a second.", envvar="DEVENV_RPS", min=0.001)] = 50.0,
    duration: Annotated[str, typer.Option(help="How long.", envvar="DEVENV_DURATION", metavar="DURATION")] = "30s",
    stages: Annotated[
        str | None, typer.Option(help="Instead: ramps, as 30s:50,1m:200 (reach the rate within the time).")
    ] = None,
    arrivals: Annotated[str, typer.Option(help="uniform or poisson.")] = "uniform",
    scenario: Annotated[str | None, typer.Option(help="From x-devenv.load.scenarios.")] = None,
    target: Annotated[str | None, typer.Option(help="Base URL instead of the entry point's.")] = None,
    max_in_flight: Annotated[int, typer.Option(help="Beyond this requests are dropped and counted.", min=1)] = 1000,
    timeout: Annotated[str, typer.Option(help="Of one request.", metavar="DURATION")] = "10s",
    fail: Annotated[
        list[str] | None, typer.Option(help="Threshold, such as 'p99<250ms', 'errors<1%', 'traced==100%'; repeat.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the run.")] = None,
    no_verify: Annotated[bool, typer.Option("--no-verify", help="Do not look the traces up afterwards.")] = False,
    seed: Annotated[int | None, typer.Option(help="Of poisson arrivals, to repeat a run.")] = None,
) -> None:
    """Send requests at a constant arrival rate and account for each one in the trace backend."""
    from devenv.app.load import load as use_case
    from devenv.cli.arguments import seconds
    from devenv.load.options import LoadOptions, parse_stages

    state: Globals = context.obj
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
    """Past load runs; without a subcommand: the list."""
    if context.invoked_subcommand is None:
        list_runs(context)


def list_runs(context: typer.Context) -> None:
    """The runs that are kept, newest first."""
    from devenv.app.load import history as use_case

    state: Globals = context.obj
    state.show(use_case.listing(state.invocation), view.show_runs)


def show(
    context: typer.Context,
    run: Annotated[str | None, typer.Argument(help="Run id or name; none: the last one.")] = None,
) -> None:
    """The summary of one run."""
    from devenv.app.load import history as use_case

    state: Globals = context.obj
    state.show(use_case.show_run(state.invocation, run), view.show_load)
