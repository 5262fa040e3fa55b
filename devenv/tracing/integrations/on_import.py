"""Runs actions right after a module is imported, without importing modules that the program does not use."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, cast

_log = logging.getLogger(__name__)


def when_imported(module: str, name: str, action: Callable[[], None]) -> None:
    """Run an action once: now if the module is already imported, else right after its import.

    An action that fails is logged; an unsupported version of a library must not stop the program.
    """
    if module in sys.modules:
        _run(name, action)
        return
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    _waiting.setdefault(module, {})[name] = action


def forget() -> None:
    """Forget every waiting action."""
    _waiting.clear()
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]


_waiting: dict[str, dict[str, Callable[[], None]]] = {}


class _Finder(MetaPathFinder):
    """Finds modules through the other finders, with a loader that runs the actions after the import.

    A module that is only looked for (`importlib.util.find_spec`, and `python -m` before it imports) keeps its actions.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _waiting:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)  # some old finders have none
            spec = find(fullname, path, target) if find is not None else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader)
                return cast("ModuleSpec", spec)
        return None


class _Loader(Loader):
    """Wraps a loader."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._inner.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner
        module.__loader__ = self._inner
        self._inner.exec_module(module)
        for name, action in _waiting.pop(module.__name__, {}).items():
            _run(name, action)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _run(name: str, action: Callable[[], None]) -> None:
    try:
        action()
    except Exception:  # noqa: BLE001 - logged
        _log.warning("cannot trace %s", name, exc_info=True)
