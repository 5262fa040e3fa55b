"""Loads an OpenTelemetry API that is written for newer Pythons than this one, with its source adapted as it is loaded.

It uses little of what newer Pythons have: union types are written `A | B`, some names are in the standard library, and
entry points are of another type. Nothing in the program or in the standard library is changed for it. An API that
this is not enough for fails to import, and the program is told so.
"""
# ruff: noqa: INP001 - a folder for PYTHONPATH, not a package

from __future__ import annotations
import __future__

import ast
import sys
from importlib import import_module, metadata
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Any, Union

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_HERE = __name__


class EntryPoints(tuple):  # type: ignore[type-arg]  # Python 3.9 adds its type arguments, mypy reads for a newer one
    """The entry points of all packages, as `importlib.metadata` of Python 3.10 returns them."""

    __slots__ = ()

    def select(self, **wanted: str) -> EntryPoints:
        """Return those whose attributes have these values."""
        return EntryPoints(
            point for point in self if all(getattr(point, name) == value for name, value in wanted.items())
        )


def entry_points(**wanted: str) -> EntryPoints:
    """Return the entry points of all packages whose attributes have these values."""
    found: Any = metadata.entry_points()  # a dict by groups in Python 3.9
    points = [point for group in found.values() for point in group] if isinstance(found, dict) else found
    return EntryPoints(points).select(**wanted)


def union(left: Any, right: Any) -> Any:
    """Return `left | right`, also of types, which Python 3.9 has no such operator for."""
    try:
        return left | right
    except TypeError:
        return Union[left, right]


STAND_INS: dict[tuple[str, str], Any] = {
    ("types", "NoneType"): type(None),
    ("importlib.metadata", "EntryPoints"): EntryPoints,
    ("importlib.metadata", "entry_points"): entry_points,
}


def lacking(module: str, name: str) -> Any:
    """Return what stands in for a name that a module of the standard library does not have in this Python."""
    try:
        return STAND_INS[module, name]
    except KeyError:
        return getattr(import_module("typing_extensions"), name)


class _Adapted(ast.NodeTransformer):
    """Replaces what this Python lacks in a module's source."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        if not isinstance(node.op, ast.BitOr):
            return node
        return _call("union", node.left, node.right)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> list[ast.stmt]:
        here: list[ast.alias] = []
        others: list[ast.alias] = []
        for alias in node.names:
            (others if node.level or _has(node.module or "", alias.name) else here).append(alias)
        found: list[ast.stmt] = []
        for alias in here:
            value = _call("lacking", ast.Constant(node.module), ast.Constant(alias.name))
            found.append(ast.Assign([ast.Name(alias.asname or alias.name, ast.Store())], value))
        return found + ([ast.ImportFrom(node.module, others, node.level)] if others else [])


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, inner: Any) -> None:
        super().__init__(fullname, inner.get_filename(fullname))
        self._inner = inner

    def get_data(self, path: str) -> bytes:
        """Return the content of a file, which may be in a zip file."""
        content: bytes = self._inner.get_data(path)
        return content

    def source_to_code(self, data: Any, path: Any, *, _optimize: int = -1) -> Any:  # type: ignore[override]  # typeshed has wider types
        tree = _Adapted().visit(ast.parse(data, path))
        flags = __future__.annotations.compiler_flag
        return compile(
            ast.fix_missing_locations(tree), path, "exec", flags=flags, dont_inherit=True, optimize=_optimize
        )

    def get_code(self, fullname: str) -> Any:
        """Without bytecode files: those of the unadapted source have the same name."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


class Finder:
    """Finds the API's modules in folders of devenv's, before the other finders: it is a part of a namespace package."""

    def __init__(self, folders: Sequence[str]) -> None:
        self._folders = tuple(f"{folder}/opentelemetry/" for folder in folders)
        self._archives = import_module("_devenv_archive").archives(folders)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module of the API whose source is in one of the folders."""
        if path is None or not fullname.startswith("opentelemetry."):
            return None
        for archive in self._archives:
            spec: ModuleSpec | None = archive.find_spec(fullname)
            if spec is not None:
                break
        else:
            spec = PathFinder.find_spec(fullname, path, target)
        loader: Any = spec.loader if spec is not None else None
        if spec is None or not hasattr(loader, "get_data"):
            return None
        if not str(loader.get_filename(fullname)).startswith(self._folders):
            return None
        spec.loader = _Loader(fullname, loader)
        return spec


def adapt(folders: Sequence[str]) -> str:
    """Make the API importable from folders, and import it.

    Returns:
        Why that is not possible; empty on success.
    """
    finder = Finder(folders)
    sys.meta_path.insert(0, finder)
    try:
        import_module("opentelemetry.trace")
    except Exception as error:  # noqa: BLE001 - an API that is newer than this module can fail in any way
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry"]:
            del sys.modules[name]
        return f"{type(error).__name__}: {error}"
    return ""


def _has(module: str, name: str) -> bool:
    if (module, name) in STAND_INS:
        return False
    return module not in {"types", "typing"} or hasattr(import_module(module), name)


def _call(function: str, *arguments: ast.expr) -> ast.expr:
    """`__import__("_devenv_older").function(…)`: the module's own names stay as they are."""
    module = ast.Call(ast.Name("__import__", ast.Load()), [ast.Constant(_HERE)], [])
    return ast.Call(ast.Attribute(module, function, ast.Load()), list(arguments), [])
