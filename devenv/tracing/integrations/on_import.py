"""Runs something right after a module has been imported, without importing what the program does not use."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

_log = logging.getLogger(__name__)


def when_imported(module: str, name: str, action: Callable[[], None]) -> None:
    """Run an action once: now where the module is there already, else right after its import.

    An action that fails is logged; a library of another version must not keep the program from running.
    """
    if module in sys.modules:
        _run(name, action)
        return
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    _waiting.setdefault(module, {})[name] = action


def forget() -> None:
    """Forget every action that still waits."""
    _waiting.clear()
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]


_waiting: dict[str, dict[str, Callable[[], None]]] = {}


class _Finder(MetaPathFinder):
    """Finds what others find, with a loader that runs the actions afterwards."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the import system's signature
        target: ModuleType | None = None,  # noqa: ARG002 - likewise
    ) -> ModuleSpec | None:
        actions = _waiting.pop(fullname, None)  # taken out first: the search below comes here again
        if actions is None:
            return None
        spec = find_spec(fullname)
        if spec is None or spec.loader is None:
            return None
        spec.loader = _Loader(spec.loader, actions)
        return spec


class _Loader(Loader):
    """A loader around a loader."""

    def __init__(self, inner: Any, actions: dict[str, Callable[[], None]]) -> None:
        self._inner = inner
        self._actions = actions

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._inner.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        module.__loader__ = self._inner
        self._inner.exec_module(module)
        for name, action in self._actions.items():
            _run(name, action)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _run(name: str, action: Callable[[], None]) -> None:
    try:
        action()
    except Exception:  # noqa: BLE001 - logged
        _log.warning("%s is not traced", name, exc_info=True)
