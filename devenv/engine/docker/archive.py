"""Files to put into an instance before its start, as a tar archive."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable

from devenv.engine.protocol import FileContent


def pack(files: Iterable[FileContent]) -> bytes:
    """A tar archive to be unpacked at ``/``; the engine makes missing folders."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in files:
            entry = tarfile.TarInfo(file.target.lstrip("/"))
            entry.size = len(file.content)
            entry.mode = file.mode
            entry.uid = file.uid
            entry.gid = file.gid
            archive.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()
