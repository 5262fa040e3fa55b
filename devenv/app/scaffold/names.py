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
"""Folders that projects often have beside their services."""
_OF_THE_LIBRARIES = frozenset(
    {"aiohttp", "devenv", "fastapi", "httptools", "opentelemetry", "pytest", "starlette", "uvicorn", "uvloop", "yaml"}
)
"""Packages that services import, installed here or not."""
_OF_THE_STACK = frozenset({"jaeger"})
"""Services that devenv itself adds to a stack."""


def package_of(service: str) -> str:
    """The Python package of a service: ``order-items`` is ``order_items``."""
    return service.replace("-", "_")


def variable_of(service: str) -> str:
    """The variable with a service's URL in its callers: ``ORDER_ITEMS_URL``."""
    return f"{package_of(service).upper()}_URL"


def check_name(name: str, folder: Path, services: Collection[str]) -> None:
    """Check that a new service can have a name.

    Args:
        name: of the new service.
        folder: the parent of its package.
        services: all names of the stack, those of inactive profiles included.

    Raises:
        UsageError: If it cannot; the message says why.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is not a valid service name; "
            "expected lowercase letters, digits and hyphens, starting with a letter",
            hint="choose a name that works as a host name and, with _ for -, "
            "as a Python package (order-items: order_items)",
        )
    package = package_of(name)
    if name in services:
        raise UsageError(f"service {name!r} already exists", hint="choose another name")
    for path in (folder / package, folder / f"{package}.py"):
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} already exists", hint="choose another name, or move the file")
    taken = _taken_by(name, package)
    if taken:
        raise UsageError(f"invalid service name {name!r}: {package} is {taken}", hint="choose another name")


def _taken_by(name: str, package: str) -> str:
    """What already has the package's name; empty if nothing."""
    if keyword.iskeyword(package):
        return "a Python keyword"
    if package in sys.stdlib_module_names:
        return "a module of the Python standard library"
    if name in _OF_THE_STACK:
        return "the trace backend that devenv adds to a stack"
    if package in _OF_THE_PROJECT:
        return "a folder of the project"
    if package in _OF_THE_LIBRARIES or _is_installed(package):
        return "an installed library"
    return ""


def _is_installed(package: str) -> bool:
    """Whether devenv's own environment, where the process engine runs services, has a module with that name."""
    places = sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")})
    return PathFinder.find_spec(package, places) is not None
