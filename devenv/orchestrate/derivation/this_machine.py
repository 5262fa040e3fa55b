"""The programs and packages of this machine, as a process of the process engine finds them."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from devenv.orchestrate.derivation.outcome import Machine

_PACKAGES = {
    "postgres": ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin"),
    "rabbitmq-server": ("/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin", "/opt/homebrew/opt/rabbitmq/sbin"),
}
"""Directories of servers that are not on the PATH, or there as a script that starts the system's own."""
_SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/usr/libexec")


def this_machine(environ: Mapping[str, str], state: Path) -> Machine:
    """Return this machine with the PATH of ``environ``, in which devenv's own interpreter comes first.

    Args:
        environ: of the user.
        state: the project's directory of devenv's own files.
    """
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH') or os.defpath}"
    return Machine(
        which=lambda name: shutil.which(name, path=path),
        has_package=_has_package,
        folders=lambda name: _folders(name, path),
        path=path,
        state=state,
    )


def _has_package(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _folders(name: str, path: str) -> tuple[str, ...]:
    """Directories with a program, the newest version first."""
    found = [str(folder) for pattern in _PACKAGES.get(name, ()) for folder in Path("/").glob(pattern.lstrip("/"))]
    found.sort(key=lambda folder: [int(number) for number in re.findall(r"\d+", folder)], reverse=True)
    if not found:
        found = [*path.split(os.pathsep), *_SYSTEM]
    return tuple(folder for folder in found if os.access(Path(folder) / name, os.X_OK))
