"""Entry point of the ``devenv`` script; answers ``--version`` before anything heavy is imported."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return the exit code; Ctrl-C ends it with 130, also while modules are imported."""
    try:
        return _main()
    except KeyboardInterrupt:
        sys.stderr.write("devenv: interrupted\n")
        return 130


def _main() -> int:
    """Answer ``--version``, or run the command line.

    Without the ``cli`` extra only the tracing library is installed: ``run`` works, and every other
    command prints one line with what to install.
    """
    arguments = sys.argv[1:]
    if arguments and arguments[0] == "--version":
        from devenv.installation import find_installation

        installation = find_installation()
        sys.stdout.write(f"{installation.version_line}\n")
        if installation.warning:
            sys.stderr.write(f"devenv: {installation.warning}\n  hint: {installation.hint}\n")
        return 0
    from importlib.util import find_spec

    # devenv.cli itself is not in the library that projects carry in vendor/.
    lacking = [name for name in ("typer", "pydantic", "rich", "docker", "devenv.cli") if find_spec(name) is None]
    if lacking and arguments[:1] == ["run"]:
        from devenv.tracing.__main__ import main as run_traced

        return run_traced(arguments[1:], "devenv run")
    if lacking:
        sys.stderr.write(
            "devenv: only the tracing library is installed; install the command line with "
            "pip install 'devenv-otel[cli]' (or pipx install 'devenv-otel[cli]')\n"
        )
        return 3
    from devenv.cli.main import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
