"""Resource figures of a process's control group, read from the kernel; nothing is found off Linux.

Formats: https://docs.kernel.org/admin-guide/cgroup-v2.html and, for version 1, ``cgroup-v1/{cpuacct,memory,pids}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from devenv.immutable import immutable

ROOT = Path("/sys/fs/cgroup")
PROC = Path("/proc")
UNLIMITED = 1 << 60
"""Version 1 writes a number above it if there is no limit."""


@immutable()
class GroupFigures:
    """CPU time used so far in seconds; memory without the file cache and its limit (0: none) in bytes; processes."""

    cpu_seconds: float
    memory_bytes: int
    memory_limit_bytes: int
    pids: int


def group_figures(pid: int, marker: str, *, proc: Path = PROC, root: Path = ROOT) -> GroupFigures | None:
    """Figures of the group that ``pid`` is in.

    Args:
        pid: of any process in the group.
        marker: has to be part of the group's name (a container's id), so that a recycled pid is not mistaken.
        proc: mount of the process file system.
        root: mount of the control groups.

    Returns:
        ``None`` if the group cannot be read from here, or is another one.
    """
    try:
        paths = _group_paths((proc / str(pid) / "cgroup").read_text())
        if marker not in paths.get("memory", paths.get("", "")):
            return None
        return _version_1(paths, root) if "memory" in paths else _version_2(paths[""], root)
    except (OSError, ValueError, KeyError):
        return None


def _group_paths(text: str) -> dict[str, str]:
    """Group by controller; version 2 has the controller ``""``."""
    paths: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    return paths


def _version_2(path: str, root: Path) -> GroupFigures:
    folder = root / path.lstrip("/")
    limit = (folder / "memory.max").read_text().strip()
    return GroupFigures(
        cpu_seconds=_table(folder / "cpu.stat")["usage_usec"] / 1e6,
        memory_bytes=max(_number(folder / "memory.current") - _table(folder / "memory.stat")["inactive_file"], 0),
        memory_limit_bytes=0 if limit == "max" else int(limit),
        pids=_number(folder / "pids.current"),
    )


def _version_1(paths: Mapping[str, str], root: Path) -> GroupFigures:
    memory = root / "memory" / paths["memory"].lstrip("/")
    cache = _table(memory / "memory.stat")["total_inactive_file"]
    limit = _number(memory / "memory.limit_in_bytes")
    return GroupFigures(
        cpu_seconds=_number(root / "cpuacct" / paths["cpuacct"].lstrip("/") / "cpuacct.usage") / 1e9,
        memory_bytes=max(_number(memory / "memory.usage_in_bytes") - cache, 0),
        memory_limit_bytes=0 if limit > UNLIMITED else limit,
        pids=_number(root / "pids" / paths["pids"].lstrip("/") / "pids.current"),
    )


def _number(file: Path) -> int:
    return int(file.read_text())


def _table(file: Path) -> dict[str, int]:
    pairs = (line.split() for line in file.read_text().splitlines())
    return {name: int(value) for name, value in pairs}
