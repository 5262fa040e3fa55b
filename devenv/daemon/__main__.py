"""``python -m devenv.daemon DIRECTORY``: started by the process engine, one per project."""

from __future__ import annotations

import sys


def main() -> int:
    """Fork the guardian first, while the process is small, then run until there is nothing to supervise."""
    from devenv.daemon.guardian import watch

    guardian = watch(sys.argv[1])
    from devenv.daemon.service import run

    return run(sys.argv[1], guardian)


if __name__ == "__main__":
    sys.exit(main())
