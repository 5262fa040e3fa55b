"""Global options, accepted before and after the command and from ``DEVENV_*`` variables."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from devenv.app.invocation import Invocation
from devenv.cli.output import Output, Style
from devenv.errors import UsageError
from devenv.immutable import immutable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from devenv.app.invocation import EngineChoice
    from devenv.model.documents import Document

D = TypeVar("D", bound="Document")

VALUED = {"-C", "--project-dir", "-f", "--file", "-s", "--stack", "--engine", "--profile", "--env-file"}
VALUED_OF_RUN = {"--config", "--service-name", "--leave-out"}
FLAGS = {"--json", "--plain", "-q", "--quiet", "-v", "--verbose", "--debug"}


@immutable(kw_only=True)
class Globals:
    """The global options, as every command receives them."""

    invocation: Invocation
    output: Output
    debug: bool

    def show(self, document: D, view: Callable[[D, Output], None]) -> None:
        """Print a result: the document itself with ``--json``, else through its view."""
        if self.output.style.json:
            self.output.document(document)
        else:
            view(document, self.output)


def hoist(arguments: Sequence[str]) -> list[str]:
    """Move global options that follow the command to the front; words after ``--`` stay in their place.

    So do the words of the program that ``run`` runs: without ``--`` they begin with the first word that is not an
    option of ``run``.
    """
    front: list[str] = []
    rest: list[str] = []
    queue = list(arguments)
    while queue:
        argument = queue.pop(0)
        name = argument.split("=", 1)[0]
        if argument == "--":
            rest += [argument, *queue]
            break
        if argument in FLAGS or (name in VALUED and "=" in argument):
            front.append(argument)
        elif argument in VALUED:
            front.append(argument)
            front += queue[:1]
            del queue[:1]
        elif argument in VALUED_OF_RUN and rest[:1] == ["run"]:
            rest += [argument, *queue[:1]]
            del queue[:1]
        elif rest[:1] == ["run"] and not argument.startswith("-"):
            rest += [argument, *queue]
            break
        else:
            rest.append(argument)
    return front + rest


def _print_version(asked: bool) -> None:
    if asked:
        from devenv.installation import find_installation

        installation = find_installation()
        typer.echo(installation.version_line)
        if installation.warning:
            typer.echo(f"devenv: {installation.warning}\n  hint: {installation.hint}", err=True)
        raise typer.Exit


def callback(
    context: typer.Context,
    project_dir: Annotated[
        Path | None,
        typer.Option(
            "--project-dir",
            "-C",
            metavar="DIR",
            help="Project directory. Default: the current directory.",
            envvar="DEVENV_PROJECT_DIR",
        ),
    ] = None,
    file: Annotated[
        list[Path] | None,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE",
            help="Stack file; - is the standard input. Repeat to merge several, as in Compose.",
            envvar="DEVENV_FILE",
        ),
    ] = None,
    stack: Annotated[
        str | None,
        typer.Option("--stack", "-s", metavar="NAME", help="Stack to use: a folder in stacks/.", envvar="DEVENV_STACK"),
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            metavar="NAME",
            help="Active profile, in place of COMPOSE_PROFILES. Repeat for several; * is all.",
        ),
    ] = None,
    env_file: Annotated[
        list[Path] | None,
        typer.Option(
            "--env-file", metavar="FILE", help="File of variables for the stack, in place of .env. Repeat for several."
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="Engine: auto, docker or process.", envvar="DEVENV_ENGINE", metavar="NAME")
    ] = "auto",
    json: Annotated[
        bool, typer.Option("--json", help="Print the result as JSON on stdout.", envvar="DEVENV_JSON")
    ] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="No colours and no live updates.", envvar="DEVENV_PLAIN")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Hide progress and notices, but not warnings.", envvar="DEVENV_QUIET")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose", "-v", help="Show more progress: probes, build output, service logs.", envvar="DEVENV_VERBOSE"
        ),
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Print a traceback for errors.", envvar="DEVENV_DEBUG")
    ] = False,
    version: Annotated[  # noqa: ARG001 - the eager callback has done all of its work
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Run a distributed system on your machine with one command, with tracing set up and verified."""
    if context.resilient_parsing:
        return
    directory = (project_dir or Path()).absolute()
    if not directory.is_dir():
        raise UsageError(f"{directory} is not a directory", hint="pass the project directory to -C")
    context.obj = Globals(
        invocation=replace(
            _invocation(directory.resolve(), file or (), stack, _engine(engine), env_file or ()),
            profiles=tuple(profile or ()),
        ),
        output=Output.for_process(Style(json=json, plain=plain, quiet=quiet, verbose=verbose)),
        debug=debug,
    )


def _invocation(
    start: Path, files: Sequence[Path], stack: str | None, engine: EngineChoice, env_files: Sequence[Path]
) -> Invocation:
    """The project of a command in ``start``: with ``-f`` that directory itself, else as Compose finds it."""
    environ = dict(os.environ)
    if env_files:
        environ["COMPOSE_ENV_FILES"] = ",".join(_env_file(path) for path in env_files)
    if files:
        given = tuple(path.absolute() for path in files)
        texts = {Path("-").absolute(): _standard_input()} if Path("-") in files else {}
        return Invocation(directory=start, files=given, stack=stack, engine=engine, environ=environ, texts=texts)
    from devenv.stack.location import locate

    location = locate(start, environ, stack_name=stack)
    return Invocation(
        directory=location.directory,
        working_directory=start,
        files=location.files,
        settings=location.settings,
        stack=stack,
        engine=engine,
        environ=environ,
        texts={location.standard_input: _standard_input()} if location.standard_input is not None else {},
    )


def _env_file(path: Path) -> str:
    """A file of ``--env-file``, absolute: it must exist."""
    if "," in str(path):
        raise UsageError(f"--env-file {path}: a comma in the name is not supported", hint="rename the file")
    if not path.exists():
        raise UsageError(f"--env-file {path}: no such file", hint="correct the path, or create the file")
    return str(path.absolute())


def _standard_input() -> str:
    from devenv.stack.yaml.text_file import MAXIMUM_BYTES, checked_text

    if sys.stdin is None:
        raise UsageError("-f -: the standard input is closed", hint="pass a file, or redirect one to the command")
    return checked_text(sys.stdin.buffer.read(MAXIMUM_BYTES + 1), "-")


def _engine(name: str) -> EngineChoice:
    match name:
        case "auto" | "docker" | "process" | "swarm":
            return name
        case _:
            raise UsageError(f"unknown engine {name!r}", hint="use --engine auto, docker or process")
