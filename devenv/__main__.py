"""Entry point of the ``devenv`` script; answers ``--version`` before anything heavy is imported.

It runs on Python 3.9, as the tracing library does, to say that the command line does not.
"""

from __future__ import annotations

import sys

OLDEST = (3, 11)
"""The oldest Python that the command line runs on."""


def main() -> int:
    """Run the command line and return the exit code; Ctrl-C ends it with 130, also while modules are imported."""
    try:
        return _main()
    except KeyboardInterrupt:
        sys.stderr.write("devenv: interrupted\n")
        return 130


def _main() -> int:
    """Answer ``--version``, or run the command line.

    Without the ``cli`` extra only the tracing library is installed, and on a Python below ``OLDEST`` only the library
    works. Then ``run`` works, and every other command prints one line with what to do.
    """
    arguments = sys.argv[1:]
    if arguments and arguments[0] == "--version":
        from devenv.installation import find_installation

        installation = find_installation()
        sys.stdout.write(f"{installation.version_line}\n")
        if installation.warning:
            sys.stderr.write(f"devenv: {installation.warning}\n  hint: {installation.hint}\n")
        return 0
    if sys.version_info < OLDEST:
        return _without_command_line(
            arguments,
            f"the command line requires Python 3.11 or later, and {sys.executable} is Python "
            f"{'.'.join(map(str, sys.version_info[:3]))}; only the tracing library works with it",
        )
    from importlib.util import find_spec

    # devenv.cli itself is not in the library that projects carry in vendor/.
    lacking = [name for name in ("typer", "pydantic", "rich", "docker", "devenv.cli") if find_spec(name) is None]
    if lacking:
        return _without_command_line(
            arguments,
            "only the tracing library is installed; install the command line with "
            "pip install 'devenv-otel[cli]' (or pipx install 'devenv-otel[cli]')",
        )
    from devenv.cli.main import run

    return run(arguments)


def _without_command_line(arguments: list[str], reason: str) -> int:
    """Run the one command that needs only the tracing library, or print why the others do not work."""
    if arguments[:1] == ["run"]:
        from devenv.tracing.__main__ import main as run_traced

        return run_traced(arguments[1:], "devenv run")
    sys.stderr.write(f"devenv: {reason}\n")
    return 3


if __name__ == "__main__":
    sys.exit(main())
