"""Three running services in a chain, and requests to them, for `overhead.py`."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
SAMPLE = HERE.parents[1] / "stacks" / "sample"
CONNECTIONS = 32
RUN = 10  # requests of a worker before the next mode's turn: enough to be warm, too few for the machine to change
SPANS = {"bare": 5, "sample": 7}  # a request's, all services together
_PATHS = {"bare": ("/items/17", ""), "sample": ("/api/profile", "x-api-key: devenv-demo-key\r\n")}


@dataclass(frozen=True)
class Mode:
    """What is run: `bare` or `sample` services, without tracing code (`absent`), with it switched off (`off`, in which
    the bare ones have none), or with a share of the traces recorded by devenv.tracing or the stock instrumentation."""

    chain: str
    name: str
    ratio: float = 1.0
    client: str = "aiohttp"

    @property
    def label(self) -> str:
        """As reports and `--modes` call it."""
        client = "" if self.client == "aiohttp" else f" {self.client}"
        return f"{self.chain}{client} {self.name}"

    @property
    def base(self) -> str:
        """The label of the mode that it is compared with: services without tracing."""
        return Mode(self.chain, "absent" if self.chain == "sample" else "off", client=self.client).label

    def environment(self, endpoint: str, stock: str) -> dict[str, str]:
        """Variables of its services: the library's defaults for production, but for the ratio."""
        stock_tracer = self.name.startswith("stock")
        env = {
            **os.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=production",
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
            "OTEL_TRACES_SAMPLER_ARG": str(self.ratio),
            "OTEL_METRICS_EXPORTER": "none",
            "PYTHONHASHSEED": "0",  # another order of dictionaries is worth some percent, and not what is measured
            "CLIENT": self.client,
            "TRACER": "none" if self.name == "off" else "stock" if stock_tracer else "devenv",
        }
        if stock_tracer:
            env["PYTHONPATH"] = stock
        return env


@dataclass
class Chain:
    """Three running services in one mode."""

    mode: Mode
    port: int
    processes: list[subprocess.Popen[bytes]]
    connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    def cpu_ns(self) -> int:
        """Nanoseconds on the processor so far, all threads of all services."""
        tasks = (task for process in self.processes for task in Path(f"/proc/{process.pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)

    async def connect(self) -> None:
        """Wait until the chain answers, and open the connections.

        Raises:
            OSError: it does not answer within 30 s.
        """
        deadline = time.monotonic() + 30
        while not self.connections:
            try:
                self.connections.append(await asyncio.open_connection("127.0.0.1", self.port))
                await self.ask(0)
            except (OSError, asyncio.IncompleteReadError, SystemExit):
                self.connections.clear()
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
        for _ in range(CONNECTIONS - 1):
            self.connections.append(await asyncio.open_connection("127.0.0.1", self.port))

    async def ask(self, slot: int) -> None:
        """One request over a kept connection; one that the server closed while it was idle is opened again."""
        try:
            await self._ask(slot)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.connections[slot] = await asyncio.open_connection("127.0.0.1", self.port)
            await self._ask(slot)

    async def _ask(self, slot: int) -> None:
        reader, writer = self.connections[slot]
        path, key = _PATHS[self.mode.chain]
        writer.write(
            f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nuser-agent: bench\r\naccept: */*\r\n{key}\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head[:20]:
            raise SystemExit(f"{self.mode.label}: {head.decode()}")
        size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        await reader.readexactly(size)

    def stop(self) -> None:
        """End the services."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(20)


@dataclass
class Sample(Chain):
    """The sample's services, whose tracing can be changed while they run (`overhead_switch.py`)."""

    control: Path = Path()

    async def take(self, mode: str) -> None:
        """Export the waiting spans, and continue in a mode: `absent`, `off`, or a ratio.

        Raises:
            TimeoutError: a service has not answered within 20 s.
        """
        answers = [Path(f"{self.control}.{name}.app") for name in ("user", "auth", "gateway")]
        for answer in answers:
            answer.unlink(missing_ok=True)
        self.control.write_text(mode)
        for process in self.processes:
            process.send_signal(signal.SIGUSR1)
        async with asyncio.timeout(20):
            for answer in answers:
                while not (answer.exists() and answer.read_text() == mode):  # noqa: ASYNC110 - no event to await
                    await asyncio.sleep(0.005)


def start(mode: Mode, endpoint: str, stock: str, cores: set[int]) -> Chain:
    """Start a bare chain on some of the machine's cores."""
    front, middle, back = ports = _free_ports(3)
    env = mode.environment(endpoint, stock)
    commands = []
    for name, port, asked in (("back", back, 0), ("middle", middle, back), ("front", front, middle)):
        url = f"http://127.0.0.1:{asked}/items/17" if asked else ""
        own = {"PORT": str(port), "OTEL_SERVICE_NAME": name, "NEXT": url}
        commands.append(([sys.executable, str(HERE / "overhead_service.py")], {**env, **own}))
    return Chain(mode, ports[0], [_launch(command, env, HERE, cores) for command, env in commands])


def start_sample(endpoint: str, folder: Path, cores: set[int]) -> Sample:
    """Start the sample's services, all tracing switched off, on some of the machine's cores."""
    front, middle, back = _free_ports(3)
    control = folder / "mode"
    urls = {"AUTH_URL": f"http://127.0.0.1:{middle}", "USER_URL": f"http://127.0.0.1:{back}"}
    processes = []
    for name, port in (("user", back), ("auth", middle), ("gateway", front)):
        command = [sys.executable, str(HERE / "overhead_switch.py"), f"{name}.app", str(control), endpoint]
        env = {**os.environ, **urls, "PORT": str(port), "PYTHONHASHSEED": "0"}
        processes.append(_launch(command, env, SAMPLE, cores))
    return Sample(Mode("sample", "off"), front, processes, control=control)


def _launch(command: list[str], env: dict[str, str], folder: Path, cores: set[int]) -> subprocess.Popen[bytes]:
    null = subprocess.DEVNULL
    process = subprocess.Popen(command, env=env, cwd=folder, stdout=null, stderr=null)
    os.sched_setaffinity(process.pid, cores)
    return process


_given: set[int] = set()


def _free_ports(count: int) -> list[int]:
    """Ports that are free, and have not been given to a service that is still on its way to its own."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count + len(_given))]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    chosen = [port for port in ports if port not in _given][:count]
    _given.update(chosen)
    return chosen


async def closed_loop(chains: list[Chain], requests: int, workers: int) -> None:
    """Ask every chain `requests` times, some of one mode and some of the next, in an order that changes each time."""

    async def work(chain: Chain, slot: int) -> None:
        for _ in range(RUN):
            await chain.ask(slot)

    for _ in range(requests // workers // RUN):
        for chain in random.sample(chains, len(chains)):
            await asyncio.gather(*(work(chain, slot) for slot in range(workers)))


async def open_loop(chain: Chain, rate: float, seconds: float) -> list[float]:
    """Latencies in ms from the intended instant of each request."""
    took: list[float] = []
    free = list(range(CONNECTIONS))
    tasks = []

    async def one(intended: float, slot: int) -> None:
        await chain.ask(slot)
        took.append((time.perf_counter() - intended) * 1000)
        free.append(slot)

    begun = time.perf_counter()
    for number in range(int(rate * seconds)):
        intended = begun + number / rate
        await asyncio.sleep(max(0.0, intended - time.perf_counter()))
        if free:
            tasks.append(asyncio.create_task(one(intended, free.pop())))
        else:
            took.append(float("inf"))
    await asyncio.gather(*tasks)
    return took
