"""Entry point of the ``devenv`` script; answers ``--version`` before anything heavy is imported."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return the exit code.

    Without the ``cli`` extra only the tracing library is installed, which is said in one line.
    """
    arguments = sys.argv[1:]
    if arguments and arguments[0] == "--version":
        from devenv import __version__

        sys.stdout.write(f"devenv {__version__}\n")
        return 0
    from importlib.util import find_spec

    # devenv.cli itself is not in the library that projects carry in vendor/.
    lacking = [name for name in ("typer", "pydantic", "rich", "docker", "devenv.cli") if find_spec(name) is None]
    if lacking:
        sys.stderr.write(
            "devenv: only the tracing library is installed; the command line needs the extra: "
            "pip install 'devenv[cli]' (or pipx install 'devenv[cli]')\n"
        )
        return 3
    from devenv.cli.main import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
