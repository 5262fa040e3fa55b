"""Files to put into an instance before its start, as a tar archive."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import PurePosixPath

from devenv.contract.specification import FileContent, FileTree, InstanceSpec


def archives(spec: InstanceSpec) -> list[tuple[str, bytes]]:
    """Folders, and what to unpack in each.

    The engine creates missing folders below, so ``/`` does for all files; but it accepts nothing at ``/`` of a
    read-only instance, whose files lie on volumes (see ``file_volumes``).
    """
    if not spec.service.read_only:
        trees = [("/", pack_tree(tree, tree.target.lstrip("/"))) for tree in spec.trees]
        return [*([("/", pack(spec.files, "/"))] if spec.files else []), *trees]
    folders: dict[str, list[FileContent]] = {}
    for file in spec.files:
        folders.setdefault(str(PurePosixPath(file.target).parent), []).append(file)
    trees = [(tree.target, pack_tree(tree, "")) for tree in spec.trees]
    return [*((folder, pack(files, folder)) for folder, files in folders.items()), *trees]


@lru_cache(maxsize=8)  # the services of a stack get the same files
def pack_tree(tree: FileTree, prefix: str) -> bytes:
    """A tar archive of a tree, with ``prefix`` before each name; folders are in it, as others would not be readable."""
    buffer = io.BytesIO()
    folders: dict[str, None] = {}
    names = [(f"{prefix}/{name}" if prefix else name, path) for name, path in tree.files]
    for name, _ in names:
        folders.update(dict.fromkeys(str(parent) for parent in reversed(PurePosixPath(name).parents[:-1])))
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for folder in folders:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(entry)
        for name, path in names:
            content = path.read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def pack(files: Iterable[FileContent], folder: str) -> bytes:
    """A tar archive of files to be unpacked at ``folder``."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in files:
            entry = tarfile.TarInfo(str(PurePosixPath(file.target).relative_to(folder)))
            entry.size = len(file.content)
            entry.mode = file.mode
            entry.uid = file.uid
            entry.gid = file.gid
            archive.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()
