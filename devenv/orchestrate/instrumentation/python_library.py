"""Devenv's tracing library and the pure Python packages that it needs, as files of this machine.

The same packages that ``devenv run`` makes importable; a service's own packages take precedence over them.
"""

from __future__ import annotations

import hashlib
import os
import re
from functools import cache, cached_property
from importlib.metadata import Distribution, PackageNotFoundError
from importlib.util import find_spec
from pathlib import Path

from devenv.contract.specification import ADDED, FileTree
from devenv.orchestrate.instrumentation.library_archive import ARCHIVE, MADE_BY, library_archive, startup_byte_code

TARGET = f"{ADDED}/python"
_DISTRIBUTIONS = ("opentelemetry-api",)
"""Not the SDK: the library does without, and another version than that of the program's API would not fit it."""

_PACKAGES = ("yaml", "typing_extensions")
_LEFT_OUT = frozenset({"_incubating", "__pycache__", "file_configuration", "_configuration"})
_DEFAULT_OLDEST = "3.9"


class PythonLibrary:
    """The library that is installed beside devenv.

    Attributes:
        startup: the folder for PYTHONPATH on this machine.
        startup_name: the same folder in the tree.
    """

    def __init__(self) -> None:
        self._package = Path(__file__).resolve().parents[2]
        self.startup = str(self._package / "tracing" / "startup")
        self.startup_name = "devenv/tracing/startup"

    @cached_property
    def folders(self) -> tuple[str, ...]:
        """The folders of this machine that have the packages."""
        found = dict.fromkeys([str(self._package.parent)])
        for name in ("opentelemetry", *_PACKAGES):
            spec = find_spec(name)
            places = (spec.submodule_search_locations or [spec.origin or ""]) if spec is not None else ()
            found.update(dict.fromkeys(str(Path(place).parent) for place in places if place))
        return tuple(found)

    @cached_property
    def oldest(self) -> str:
        """The oldest version of Python that all packages run on, such as ``3.10``."""
        wanted = [distribution.metadata["Requires-Python"] or "" for distribution in _distributions()]
        versions = [match[1] for text in wanted if (match := re.search(r">=\s*(\d+\.\d+)", text))]
        return max([_DEFAULT_OLDEST, *versions], key=lambda version: tuple(map(int, version.split("."))))

    @cached_property
    def tree(self) -> FileTree:
        """All files, for a container: the modules in a zip file, and beside it what has to be a file."""
        files = dict(self._files())
        digest = hashlib.sha256(MADE_BY.encode())
        for name in sorted(files):
            digest.update(name.encode() + b"\0" + files[name].read_bytes() + b"\0")
        key = digest.hexdigest()
        startup = {name: path for name, path in files.items() if name.startswith(f"{self.startup_name}/")}
        modules = {name: path for name, path in files.items() if name.endswith(".py") and name not in startup}
        beside: dict[str, Path | bytes] = {name: path for name, path in files.items() if name not in modules}
        beside.update(startup_byte_code(path, name) for name, path in startup.items())
        beside[ARCHIVE] = library_archive(modules, key, f"{TARGET}/{ARCHIVE}", os.environ)
        return FileTree(target=TARGET, files=tuple(sorted(beside.items())), digest=key)

    def _files(self) -> list[tuple[str, Path]]:
        found = [("devenv/__init__.py", self._package / "__init__.py")]
        found += _below(self._package / "tracing", "devenv/tracing")
        for distribution in _distributions():
            for file in distribution.files or ():
                wanted = file.suffix == ".py" or (file.parent.suffix == ".dist-info" and file.name in _METADATA)
                if wanted and not _LEFT_OUT & set(file.parts) and ".." not in file.parts:
                    found.append((file.as_posix(), Path(str(file.locate()))))
        for name in _PACKAGES:
            spec = find_spec(name)
            if spec is None or spec.origin is None:
                continue
            origin = Path(spec.origin)
            found += _below(origin.parent, name) if origin.name == "__init__.py" else [(origin.name, origin)]
        return found


_METADATA = frozenset({"METADATA", "entry_points.txt"})


@cache
def python_library() -> PythonLibrary:
    """Return the library that is installed beside devenv."""
    return PythonLibrary()


def _distributions() -> list[Distribution]:
    found = []
    for name in _DISTRIBUTIONS:
        try:
            found.append(Distribution.from_name(name))
        except PackageNotFoundError:  # a service is then told at its start what is missing
            continue
    return found


def _below(folder: Path, name: str) -> list[tuple[str, Path]]:
    paths = (path for path in folder.rglob("*.py") if not _LEFT_OUT & set(path.parts))
    return [(f"{name}/{path.relative_to(folder).as_posix()}", path) for path in paths]
