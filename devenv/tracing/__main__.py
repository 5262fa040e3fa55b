"""`python -m devenv.tracing -- CMD…`: runs a program with tracing; works in the light installation."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from devenv.tracing.errors import ConfigError, LaunchError
from devenv.tracing.launch.program import prepare, recorded_endpoint, run

_USAGE = "%(prog)s [--config FILE] [--service-name NAME] [--leave-out LIBRARY]... -- CMD..."


def main(arguments: Sequence[str], name: str = "python -m devenv.tracing") -> int:
    """Become the program that the arguments name; return 2 if that is not possible.

    Args:
        arguments: Options and the command.
        name: The command as the user typed it, for messages.
    """
    parser = argparse.ArgumentParser(name, _USAGE, "Run an existing Python program with tracing, without code changes.")
    parser.add_argument("--config", metavar="FILE", help="config.yaml to read the tracing section from.")
    parser.add_argument(
        "--service-name", metavar="NAME", default="", help="Service name. Default: derived from the command."
    )
    parser.add_argument(
        "--leave-out", metavar="LIBRARY", action="append", default=[], help="Library not to trace. Repeatable."
    )
    parser.add_argument("command", metavar="CMD", nargs=argparse.REMAINDER, help="The command and its arguments.")
    given = parser.parse_args(arguments)
    command = given.command[1:] if given.command[:1] == ["--"] else given.command
    directory = Path.cwd()
    try:
        program = prepare(
            command,
            environ=os.environ,
            directory=directory,
            config=given.config,
            service_name=given.service_name,
            leave_out=given.leave_out,
            endpoint=recorded_endpoint(directory),
        )
        for note in program.notes:
            sys.stderr.write(f"devenv: {note}\n")
        run(program)
    except LaunchError as error:
        sys.stderr.write(f"devenv: {error.message}\n  hint: {error.hint}\n")
    except ConfigError as error:
        sys.stderr.write(f"devenv: {error}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
