"""Files to put into an instance before its start, as a tar archive."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from pathlib import PurePosixPath

from devenv.contract.specification import FileContent, InstanceSpec


def archives(spec: InstanceSpec) -> list[tuple[str, bytes]]:
    """Folders, and what to unpack in each.

    The engine creates missing folders below, so ``/`` does for all files; but it accepts nothing at ``/`` of a
    read-only instance, whose files lie on volumes (see ``file_volumes``).
    """
    if not spec.files:
        return []
    if not spec.service.read_only:
        return [("/", pack(spec.files, "/"))]
    folders: dict[str, list[FileContent]] = {}
    for file in spec.files:
        folders.setdefault(str(PurePosixPath(file.target).parent), []).append(file)
    return [(folder, pack(files, folder)) for folder, files in folders.items()]


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
