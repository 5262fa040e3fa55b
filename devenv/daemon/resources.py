"""CPU and memory of a process group, from the kernel's figures."""

from __future__ import annotations

import time
from dataclasses import dataclass

from devenv.model.state import Usage


@dataclass(slots=True)
class Sampler:
    """Use of one process and its descendants; CPU in percent of one core since the sample before."""

    pid: int
    last_time: float = 0.0
    last_cpu: float = 0.0

    def sample(self) -> Usage:
        """Measure now; zeros if the process has ended."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            family = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            return Usage(cpu_percent=0.0, memory_bytes=0)
        cpu, memory, count = 0.0, 0, 0
        for member in family:
            try:
                with member.oneshot():
                    times = member.cpu_times()
                    cpu += times.user + times.system
                    memory += member.memory_info().rss
                    count += 1
            except psutil.NoSuchProcess:
                continue  # ended between the list and the question: it uses nothing any more
        now = time.monotonic()
        since = self.last_time or now - max(time.time() - process.create_time(), 0.001)
        percent = 100 * max(cpu - self.last_cpu, 0.0) / max(now - since, 0.001)
        self.last_time, self.last_cpu = now, cpu
        return Usage(cpu_percent=round(percent, 1), memory_bytes=memory, pids=count)
