"""Makes devenv's tracing importable in another interpreter, such as a project's virtual environment.

Only the packages that tracing needs are importable, and only if no other finder has them: the program's own packages
take precedence. The tool's other packages stay hidden, so that a package that the program lacks is still missing.
"""
# ruff: noqa: INP001 - a folder for PYTHONPATH, not a package

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder

TYPE_CHECKING = False  # as in sitecustomize
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from importlib.metadata import Distribution, DistributionFinder
    from types import ModuleType

LENT = {"devenv", "google", "opentelemetry", "typing_extensions", "yaml"}
OLDEST = (3, 9)


def borrow(libraries: str) -> str:
    """Make tracing importable from the folders of devenv's own interpreter.

    Args:
        libraries: Their Python version and their folders, as `devenv.tracing.launch.program` writes them.

    Returns:
        Why that is not possible, in one line; empty on success.
    """
    version, *folders = libraries.split(os.pathsep)
    if version.startswith(">=") and folders:
        return _borrow_pure(version[2:], folders)
    mine = f"{sys.version_info[0]}.{sys.version_info[1]}{getattr(sys, 'abiflags', '')}"
    if sys.version_info < OLDEST:
        return f"{sys.executable} is Python {mine}; tracing requires 3.9 or later"
    if version != mine or not folders:
        there = (
            f"devenv's own packages are for Python {version}" if version else "devenv's own packages are not available"
        )
        advice = f"{sys.executable} -m pip install devenv-otel"
        return f"cannot import devenv.tracing in {sys.executable} (Python {mine}), and {there}; run `{advice}`"
    sys.meta_path.append(Lender(folders))  # after all others
    return ""


def _borrow_pure(oldest: str, folders: list[str]) -> str:
    """Make packages importable that are pure Python, and so for each version from `oldest` on.

    A program that has OpenTelemetry's API needs no other. For an older Python the source of the API is adapted.
    """
    if sys.version_info >= tuple(int(part) for part in oldest.split(".")):
        sys.meta_path.append(Lender(folders))
        return ""
    from importlib.util import find_spec

    try:
        own = find_spec("opentelemetry.trace") is not None
    except (ImportError, AttributeError, ValueError):  # a package of that name without such a module
        own = False
    mine = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if sys.version_info < OLDEST:
        return f"Python {mine} is too old: devenv's tracing requires 3.9 or later"
    if own:
        sys.meta_path.append(Lender(folders, LENT - {"opentelemetry"}))
        return ""
    lender = Lender(folders)
    sys.meta_path.append(lender)
    failure = str(importlib.import_module("_devenv_older").adapt(folders))
    if not failure:
        return ""
    sys.meta_path.remove(lender)
    reason = f"Python {mine} is too old for the OpenTelemetry API that devenv adds, which requires {oldest} or later"
    return f"{reason} ({failure}); add `opentelemetry-api` to its own packages"


class Lender:
    """Finds the packages that tracing needs, after all other finders."""

    def __init__(self, folders: list[str], names: Collection[str] = frozenset(LENT)) -> None:
        self._folders = folders
        self._names = names
        self._archives = importlib.import_module("_devenv_archive").archives(folders)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the import system's signature
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Find a module in the folders, also in a namespace package that the program has a part of."""
        names = fullname.split(".")
        if names[0] not in self._names:
            return None
        for archive in self._archives:
            spec: ModuleSpec | None = archive.find_spec(fullname)
            if spec is not None:
                return spec
        return PathFinder.find_spec(fullname, [os.path.join(folder, *names[:-1]) for folder in self._folders], target)

    def find_distributions(self, context: DistributionFinder.Context) -> Iterator[Distribution]:
        """Find the metadata of these packages: OpenTelemetry finds its parts by entry points."""
        from importlib.metadata import Distribution
        from pathlib import Path

        for folder in self._folders:
            for path in Path(folder).glob("*.dist-info"):
                name = path.name.partition("-")[0].lower().replace("_", "-")
                if name.partition("-")[0] not in self._names:
                    continue
                if context.name is None or context.name.lower().replace("_", "-") == name:
                    yield Distribution.at(path)
