"""The data of servers that the process engine runs for images of databases, caches and brokers."""

from __future__ import annotations

import shutil
from pathlib import Path

from devenv.app.record import STATE


def remove_server_data(directory: Path, *, volumes: bool) -> tuple[list[str], list[str]]:
    """Remove the data of servers whose instances are gone, as an engine removes that of containers.

    Args:
        directory: the project's.
        volumes: also that of named volumes.

    Returns:
        The names of the named volumes that were removed, and of those that are kept.
    """
    state = directory / STATE
    shutil.rmtree(state / "servers", ignore_errors=True)
    kept = sorted(path.name for path in (state / "volumes").glob("*") if path.is_dir())
    if not volumes:
        return [], kept
    shutil.rmtree(state / "volumes", ignore_errors=True)
    return kept, []
