"""The programs and packages of this machine, as a process of the process engine finds them."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from devenv.orchestrate.derivation.outcome import Machine


def this_machine(environ: Mapping[str, str]) -> Machine:
    """Return this machine with the PATH of ``environ``, in which devenv's own interpreter comes first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{environ.get('PATH') or os.defpath}"
    return Machine(which=lambda name: shutil.which(name, path=path), has_package=_has_package)


def _has_package(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
