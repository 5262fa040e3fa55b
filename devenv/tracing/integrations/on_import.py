"""Runs actions at imports of the program, without importing modules that it does not use.

Every traced program imports this module when it starts, so it imports almost nothing itself.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False  # importing `typing` takes longer than the rest of the module
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any


def when_imported(module: str, name: str, action: Callable[[], None]) -> None:
    """Run an action once: now if the module is already imported, else right after its import.

    An action that fails is logged; an unsupported version of a library must not stop the program.
    """
    _waiting.setdefault(module, {})[name] = action
    if module in sys.modules and module not in _loading:
        _run_waiting(module)
    else:
        _hook()


def before_import(package: str, action: Callable[[], None]) -> None:
    """Run an action before each import of a module inside a package; the action may import that module itself.

    The action must not raise.
    """
    _before[package] = action
    _hook()


def forget() -> None:
    """Forget every waiting action."""
    _waiting.clear()
    _before.clear()
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Finder)]


_waiting: dict[str, dict[str, Callable[[], None]]] = {}
_loading: set[str] = set()
"""Modules that are being imported, whose actions run afterwards: another thread, or their own imports, may add some."""
_before: dict[str, Callable[[], None]] = {}


def _hook() -> None:
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds modules through the other finders, with a loader that runs the actions after the import.

    A module that is only looked for (`importlib.util.find_spec`, and `python -m` before it imports) keeps its actions.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, inside, _ = fullname.partition(".")
        if inside and package in _before and fullname not in sys.modules:
            _before[package]()
            loaded = sys.modules.get(fullname)
            if loaded is not None and loaded.__spec__ is not None:
                loaded.__spec__.loader = _Loaded(loaded, loaded.__spec__.loader)  # type: ignore[assignment]  # as below
                return loaded.__spec__
        if fullname not in _waiting:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)  # some old finders have none
            spec: ModuleSpec | None = find(fullname, path, target) if find is not None else None
            if spec is not None:
                if spec.loader is not None:
                    spec.loader = _Loader(spec.loader)  # type: ignore[assignment]  # typeshed wants load_module, which 3.12 has not
                return spec
        return None


class _Loader:
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
        _loading.add(module.__name__)
        try:
            self._inner.exec_module(module)
            while _run_waiting(module.__name__):
                pass
        finally:
            _loading.discard(module.__name__)
        _run_waiting(module.__name__)  # what another thread has added in between

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Loaded:
    """Loads a module that an action has imported: Python would otherwise make a second one by the spec of the first."""

    def __init__(self, module: ModuleType, inner: Any) -> None:
        self._module = module
        self._inner = inner

    def create_module(self, _spec: ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def _run_waiting(module: str) -> bool:
    """Run the actions of an imported module; return whether there were any."""
    actions = _waiting.pop(module, {})
    for name, action in actions.items():
        try:
            action()
        except Exception:
            import logging

            logging.getLogger(__name__).warning("cannot trace %s", name, exc_info=True)
    return bool(actions)
