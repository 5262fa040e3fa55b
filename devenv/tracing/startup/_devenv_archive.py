"""Imports modules from the file that `devenv up` puts into containers: a zip file with flat names.

Python's own import from zip files compiles each module twice, and has room for the byte code of one version only. It
finds nothing here, as the entries are named `package.module.py` and `package.module.cpython-312.pyc`.
"""
# ruff: noqa: INP001 - a folder for PYTHONPATH, not a package

from __future__ import annotations

import marshal
import sys
from importlib._bootstrap_external import MAGIC_NUMBER
from importlib.machinery import ModuleSpec
from zipimport import ZipImportError, zipimporter

TYPE_CHECKING = False  # as in sitecustomize
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType, ModuleType

HEADER = 16
NAMESPACE = "__path__"


def archives(paths: Iterable[str]) -> list[Archive]:
    """Return an archive for each path of one; folders are passed over."""
    found = []
    for path in paths:
        try:
            found.append(Archive(path))
        except ZipImportError:  # a folder
            continue
    return found


class Archive:
    """Finds and loads the modules of one file.

    Raises:
        ZipImportError: If the path is not that of a zip file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._data = zipimporter(path).get_data

    def find_spec(self, fullname: str) -> ModuleSpec | None:
        """Find a module by its name."""
        place = f"{self.path}/{fullname.replace('.', '/')}"
        if self._has(f"{fullname}.__init__.py"):
            loader = Loader(self, f"{fullname}.__init__", f"{place}/__init__.py")
            spec = ModuleSpec(fullname, loader, origin=loader.filename, is_package=True)  # type: ignore[arg-type]  # typeshed wants load_module
        elif self._has(f"{fullname}.py"):
            loader = Loader(self, fullname, f"{place}.py")
            spec = ModuleSpec(fullname, loader, origin=loader.filename)  # type: ignore[arg-type]  # as above
        elif self._has(f"{fullname}.{NAMESPACE}"):
            spec = ModuleSpec(fullname, None, is_package=True)
        else:
            return None
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(place)  # other finders find nothing there
        spec.has_location = spec.loader is not None
        return spec

    def read(self, entry: str) -> bytes:
        """Return the content of an entry.

        Raises:
            OSError: If there is none.
        """
        return self._data(f"{self.path}/{entry}")

    def _has(self, entry: str) -> bool:
        try:
            self.read(entry)
        except OSError:
            return False
        return True


class Loader:
    """Loads one module, from the byte code of this Python if there is some."""

    def __init__(self, archive: Archive, name: str, filename: str) -> None:
        self._archive = archive
        self._name = name
        self.filename = filename

    def create_module(self, _spec: ModuleSpec) -> None:
        """Leave it to Python."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module."""
        exec(self.get_code(), module.__dict__)  # noqa: S102 - what a loader does

    def get_code(self, _fullname: str = "") -> CodeType:
        """Return the module's code."""
        try:
            data = self._archive.read(f"{self._name}.{sys.implementation.cache_tag}.pyc")
        except OSError:
            data = b""
        if data.startswith(MAGIC_NUMBER):
            code: CodeType = marshal.loads(memoryview(data)[HEADER:])  # noqa: S302 - as trustworthy as the source
            return code
        return compile(self.get_data(), self.filename, "exec", dont_inherit=True)

    def get_data(self, _path: str = "") -> bytes:
        """Return the module's source."""
        return self._archive.read(f"{self._name}.py")

    def get_source(self, _fullname: str = "") -> str:
        """Return the module's source as text, for tracebacks."""
        return self.get_data().decode()

    def get_filename(self, _fullname: str = "") -> str:
        """Return where the module seems to be."""
        return self.filename

    def is_package(self, _fullname: str = "") -> bool:
        """Return whether the module is a package."""
        return self._name.endswith(".__init__")
