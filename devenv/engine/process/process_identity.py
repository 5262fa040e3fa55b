"""Identity of a process: its pid and its start time, so that a recycled pid is never taken for it."""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc")


def start_time(pid: int) -> int:
    """Start time of a process, in the kernel's ticks since boot; 0 if it does not exist.

    On systems without ``/proc`` it is in hundredths of a second since the epoch.
    """
    if not PROC.joinpath("self").exists():
        return _start_time_elsewhere(pid)
    try:
        stat = PROC.joinpath(str(pid), "stat").read_bytes()
    except OSError:
        return 0
    fields = stat.rpartition(b")")[2].split()
    return 0 if fields[0] in {b"Z", b"X"} else int(fields[19])


def _start_time_elsewhere(pid: int) -> int:
    import psutil

    try:
        return round(psutil.Process(pid).create_time() * 100)
    except psutil.Error:
        return 0
