"""Files to put into an instance before its start, as a tar archive."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import PurePosixPath

from devenv.contract.specification import FileContent, FileTree, InstanceSpec

_END = bytes(2 * tarfile.BLOCKSIZE)


def archives(spec: InstanceSpec) -> list[tuple[str, bytes]]:
    """Folders, and what to unpack in each.

    The engine creates missing folders below, so one archive at ``/`` does for all files; but it accepts nothing at
    ``/`` of a read-only instance, whose files lie on volumes (see ``file_volumes``). Each archive costs the engine some
    70 ms, whatever is in it.
    """
    if not spec.service.read_only:
        parts = [_tree(tree, tree.target.lstrip("/")) for tree in spec.trees]
        if spec.files:
            parts.append(_files(spec.files, "/"))
        return [("/", b"".join(parts) + _END)] if parts else []
    folders: dict[str, list[FileContent]] = {}
    for file in spec.files:
        folders.setdefault(str(PurePosixPath(file.target).parent), []).append(file)
    trees = [(tree.target, _tree(tree, "") + _END) for tree in spec.trees]
    return [*((folder, _files(files, folder) + _END) for folder, files in folders.items()), *trees]


@lru_cache(maxsize=8)  # the services of a stack get the same files
def _tree(tree: FileTree, prefix: str) -> bytes:
    """The members of a tar archive of a tree, with ``prefix`` before each name.

    Folders are in it, as others would not be readable.
    """
    buffer = io.BytesIO()
    folders: dict[str, None] = {}
    names = [(f"{prefix}/{name}" if prefix else name, file) for name, file in tree.files]
    for name, _ in names:
        folders.update(dict.fromkeys(str(parent) for parent in reversed(PurePosixPath(name).parents[:-1])))
    archive = tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - not closed: it is a part
    for folder in folders:
        entry = tarfile.TarInfo(folder)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        archive.addfile(entry)
    for name, file in names:
        content = file if isinstance(file, bytes) else file.read_bytes()
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(content), 0o644
        archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _files(files: Iterable[FileContent], folder: str) -> bytes:
    """The members of a tar archive of files to be unpacked at ``folder``."""
    buffer = io.BytesIO()
    archive = tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - not closed: it is a part
    for file in files:
        entry = tarfile.TarInfo(str(PurePosixPath(file.target).relative_to(folder)))
        entry.size = len(file.content)
        entry.mode = file.mode
        entry.uid = file.uid
        entry.gid = file.gid
        archive.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()
