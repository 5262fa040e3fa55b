"""Which directories the process engine runs something of, wherever they are."""

from __future__ import annotations

import os
from pathlib import Path

from devenv.engine.process.membership import Member, processes, project_directory
from devenv.engine.process.process_identity import PROC

_DAEMON = [b"-m", b"devenv.daemon"]


def running_projects() -> tuple[Path, ...]:
    """Return the directories, sorted: those of marked processes, and those of daemons, of this user alone.

    Processes of another file system tree, such as in a container, do not count: their directories are not those here.
    Off Linux nothing is found.
    """
    found = ((member, _directory(member)) for member in processes())
    return tuple(sorted({Path(directory) for member, directory in found if directory and _is_ours(member.pid)}))


def _directory(member: Member) -> str:
    """The directory of the project that a process belongs to; empty if to none."""
    if member.mark is not None:
        return member.mark.directory
    try:
        words = (PROC / str(member.pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return project_directory(Path(os.fsdecode(words[3]))) if words[1:3] == _DAEMON and len(words) > 3 else ""


def _is_ours(pid: int) -> bool:
    """Whether a process runs as this user, and sees the same directories."""
    try:
        return (PROC / str(pid)).stat().st_uid == os.geteuid() and _tree(str(pid)) == _tree("self")
    except OSError:
        return False


def _tree(pid: str) -> str:
    """Name of the mount namespace of a process."""
    return str((PROC / pid / "ns" / "mnt").readlink())
