"""The name of a new service: a host name on the network and, with ``_`` for ``-``, a Python package."""

from __future__ import annotations

import keyword
import re
import sys
import sysconfig
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

from devenv.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_OF_THE_PROJECT = frozenset({"chassis", "tests", "vendor", "stacks"})
"""Folders that projects have beside their services."""
_OF_THE_LIBRARIES = frozenset(
    {"aiohttp", "devenv", "fastapi", "httptools", "opentelemetry", "pytest", "starlette", "uvicorn", "uvloop", "yaml"}
)
"""What a service imports, installed here or not."""
_OF_THE_STACK = frozenset({"jaeger"})
"""What devenv itself adds to a stack."""


def package_of(service: str) -> str:
    """The Python package of a service: ``order-items`` is ``order_items``."""
    return service.replace("-", "_")


def variable_of(service: str) -> str:
    """The variable by which others learn a service's URL: ``ORDER_ITEMS_URL``."""
    return f"{package_of(service).upper()}_URL"


def check_name(name: str, folder: Path, services: Collection[str]) -> None:
    """Whether a service can be called so.

    Args:
        name: of the new service.
        folder: where its package is going to stand.
        services: of the stack, those without an active profile included.

    Raises:
        UsageError: it cannot; the message says why.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a service; expected lower-case letters, digits and hyphens, a letter first",
            hint="it becomes a host name and, with _ in place of -, a Python package: order-items is order_items",
        )
    package = package_of(name)
    if name in services:
        raise UsageError(f"there is a service {name!r} already", hint="choose another name")
    for path in (folder / package, folder / f"{package}.py"):
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is there already", hint="choose another name, or move it away")
    taken = _taken_by(name, package)
    if taken:
        raise UsageError(f"a service cannot be called {name!r}: {package} is {taken}", hint="choose another name")


def _taken_by(name: str, package: str) -> str:
    """What else the package's name means; empty where nothing."""
    if keyword.iskeyword(package):
        return "a keyword of Python"
    if package in sys.stdlib_module_names:
        return "a module of Python's standard library, which the package would hide"
    if name in _OF_THE_STACK:
        return "the trace backend that devenv adds to a stack"
    if package in _OF_THE_PROJECT:
        return "a folder of the project's own"
    if package in _OF_THE_LIBRARIES or _is_installed(package):
        return "an installed library, which the package would hide"
    return ""


def _is_installed(package: str) -> bool:
    """Whether the tool's environment, where the process engine runs services, has a module of that name."""
    places = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    return PathFinder.find_spec(package, places) is not None
