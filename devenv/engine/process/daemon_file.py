"""``daemon.json`` in ``.devenv/``: which processes a daemon runs, so that what a killed daemon leaves can be found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from devenv.disk import remove_file, replace_file
from devenv.engine.process.json_values import decode, encode
from devenv.engine.process.process_identity import start_time
from devenv.immutable import immutable

NAME = "daemon.json"


@immutable(kw_only=True)
class RecordedInstance:
    """An instance and its process: ``pid``, and ``born`` as :func:`start_time` returns it; 0 if it never ran."""

    id: str
    name: str
    service: str
    index: int
    labels: Mapping[str, str]
    pid: int
    born: int

    @property
    def alive(self) -> bool:
        """Whether this very process still runs, and not another one with its pid."""
        return bool(self.born) and start_time(self.pid) == self.born


@immutable(kw_only=True)
class DaemonFile:
    """The daemon's own process, and its instances."""

    pid: int
    born: int
    instances: tuple[RecordedInstance, ...]


def read(directory: Path) -> DaemonFile | None:
    """Return what a daemon wrote; ``None`` if there is no readable file: the last daemon ended in order."""
    try:
        return decode(DaemonFile, json.loads((directory / NAME).read_text()), NAME)
    except (OSError, ValueError):
        return None


def write(directory: Path, content: DaemonFile) -> None:
    """Replace the file in one step.

    Raises:
        EnvironmentFailure: If it cannot be written.
    """
    replace_file(directory / NAME, json.dumps(encode(content)).encode(), durable=False)


def remove(directory: Path) -> None:
    """Remove the file if it exists.

    Raises:
        EnvironmentFailure: If it cannot be removed.
    """
    remove_file(directory / NAME)


def exists(directory: Path) -> bool:
    """Whether a daemon has not ended in order yet."""
    return (directory / NAME).exists()
