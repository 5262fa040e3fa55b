"""The tracing library in one file, with the byte code of one version of Python.

A container gets files at about 0.3 ms each, and an interpreter that has to compile what it imports takes several times
as long to start. A zip file is one file; devenv/tracing/startup/_devenv_archive.py imports from it. Byte code is used
by the version that it is for, by its magic number; any other version compiles the source, which is beside it.

The file is made once for each version of the library and of the interpreter, and kept in the user's cache. What
another user could have written there is not used.
"""

from __future__ import annotations

import io
import marshal
import os
import stat
import sys
import zipfile
from collections.abc import Iterable, Mapping
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER, source_hash
from pathlib import Path, PurePosixPath
from types import CodeType

from devenv.disk import open_regular_file, replace_file, user_cache
from devenv.errors import EnvironmentFailure

ARCHIVE = "library.zip"
MADE_BY = f"2 {sys.implementation.cache_tag} {MAGIC_NUMBER.hex()} {sys.flags.optimize}"
"""Part of the digest: the number is for what this module writes, the rest for whom the byte code is."""

_NAMESPACE = "__path__"
_UNCHECKED_HASH = 1
"""PEP 552: byte code that belongs to its source, which Python does not compare with it."""

_KEPT_S = 30 * 24 * 3600


def startup_byte_code(path: Path, name: str) -> tuple[str, bytes]:
    """Return the file of byte code that Python looks for beside a module outside the zip file, and its content."""
    beside = PurePosixPath(name)
    cached = beside.parent / "__pycache__" / f"{beside.stem}.{sys.implementation.cache_tag}.pyc"
    return str(cached), _byte_code(path, path.read_bytes(), name)


def library_archive(files: Mapping[str, Path], digest: str, target: str, environ: Mapping[str, str]) -> bytes:
    """Return the zip file of the modules.

    Args:
        files: modules by their names in the file.
        digest: of the names and contents of all files, and of ``MADE_BY``.
        target: where the file will be in a container, for tracebacks.
        environ: names the user's cache.
    """
    folder = user_cache(environ) / "python"
    path = folder / f"{digest[:32]}.zip"
    found = _read(path)
    if found is None:
        found = _made(files, target)
        _keep(path, found)
    return found


def _made(files: Mapping[str, Path], target: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:  # not every Python has zlib
        for folder in _namespaces(files):
            archive.writestr(zipfile.ZipInfo(f"{folder}.{_NAMESPACE}"), b"")
        for name, path in sorted(files.items()):
            source = path.read_bytes()
            entry = name.removesuffix(".py").replace("/", ".")
            archive.writestr(zipfile.ZipInfo(f"{entry}.py"), source)
            code = _byte_code(path, source, f"{target}/{name}")
            archive.writestr(zipfile.ZipInfo(f"{entry}.{sys.implementation.cache_tag}.pyc"), code)
    return buffer.getvalue()


def _namespaces(names: Iterable[str]) -> list[str]:
    """Packages without an ``__init__``, such as ``opentelemetry``."""
    folders = {folder.as_posix() for name in names for folder in PurePosixPath(name).parents}
    return sorted(folder.replace("/", ".") for folder in folders - {"."} if f"{folder}/__init__.py" not in names)


def _byte_code(path: Path, source: bytes, filename: str) -> bytes:
    """The content of a file of byte code; what this interpreter has compiled already is taken from there."""
    module = path.stem
    loader = SourceFileLoader(module, str(path))
    code = loader.get_code(module) or loader.source_to_code(source, path)
    header = MAGIC_NUMBER + _UNCHECKED_HASH.to_bytes(4, "little") + source_hash(source)
    return header + marshal.dumps(_relocated(code, filename))


def _relocated(code: CodeType, filename: str) -> CodeType:
    """The code with another file name in its tracebacks, in which no path of this machine is to appear."""
    constants = tuple(_relocated(one, filename) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename=filename, co_consts=constants)


def _read(path: Path) -> bytes | None:
    """The file, ``None`` if it is not there or another user could have written it."""
    try:
        if not _is_own(path.parent.lstat()):
            return None
        with open_regular_file(path) as file:
            if not _is_own(os.fstat(file.fileno())):
                return None
            content = file.read()
    except OSError:  # it is made instead
        return None
    return content if zipfile.is_zipfile(io.BytesIO(content)) else None


def _keep(path: Path, content: bytes) -> None:
    """Write the file for the next time, and remove those that have not been written for long."""
    folder = path.parent
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not _is_own(folder.lstat()):
            return
        path.unlink(missing_ok=True)  # it was not used, and its mode would stay
        replace_file(path, content, durable=False, mode=0o600)
        oldest = path.stat().st_mtime - _KEPT_S
        for other in folder.glob("*.zip"):
            if other.stat().st_mtime < oldest:
                other.unlink(missing_ok=True)
    except (OSError, EnvironmentFailure):
        return  # it is made again the next time


def _is_own(found: os.stat_result) -> bool:
    """Whether only this user can have written a file or directory."""
    return not stat.S_ISLNK(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
