"""The control socket of the daemon: answers the requests of :mod:`devenv.engine.process.daemon_messages`.

It is in ``.devenv/`` with mode 0600, and has a name without a file: only the user of the daemon can control it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from devenv import __version__
from devenv.contract.answers import ExitStatus
from devenv.daemon.supervised import Supervised
from devenv.engine.process import daemon_messages
from devenv.engine.process.daemon_messages import ErrorReport, Nothing
from devenv.engine.process.json_values import MalformedMessage, decode, encode
from devenv.engine.process.peer import is_own_user
from devenv.errors import DevenvError, EngineRefused
from devenv.model.state import State
from devenv.race import first

if TYPE_CHECKING:
    from devenv.daemon.supervisor import Supervisor
    from devenv.engine.process.daemon_messages import Answer, DaemonOperation, EventsSince, OneInstance, Question
    from devenv.engine.process.launch import Launch

MAX_REQUEST = 4 * 2**20


class ControlServer:
    """Answers requests by acting on the supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._handlers: dict[str, Callable[[object], Awaitable[dict[str, Any]]]] = {}
        self._on(daemon_messages.FACTS, self._facts)
        self._on(daemon_messages.OBSERVE, self._observe)
        self._on(daemon_messages.RETIRE, self._retire)
        self._on(daemon_messages.CREATE, self._create)
        self._on(daemon_messages.DESCRIBE, self._describe)
        self._on(daemon_messages.START, self._start)
        self._on(daemon_messages.STOP, self._stop)
        self._on(daemon_messages.KILL, self._kill)
        self._on(daemon_messages.REMOVE, self._remove)
        self._on(daemon_messages.WAIT, self._wait)
        self._on(daemon_messages.USAGE, self._usage)
        self._on(daemon_messages.HISTORY, self._history)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the request of one connection."""
        try:
            line = await reader.readline() if is_own_user(writer) else b""
            if line:
                await self._serve(line, reader, writer)
        except ConnectionError:
            return  # a client that closes the connection gets no answer
        finally:
            writer.close()

    async def _serve(self, line: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name: Any = None
        try:
            request = daemon_messages.parsed(line)
            name, data = request.get("op"), request.get("data")
            if name == daemon_messages.EVENTS.name:
                await self._events(decode(daemon_messages.EVENTS.question, data, name), reader, writer)
                return
            if name not in self._handlers:
                raise MalformedMessage(f"op: found {name!r}, expected one of {', '.join(sorted(self._handlers))}")
            reply = {"ok": await self._handlers[name](data)}
        except MalformedMessage as error:
            refused = EngineRefused(f"the process engine's daemon ({__version__}) cannot read the request: {error}")
            reply = {"error": encode(ErrorReport.of(refused))}
        except DevenvError as error:
            reply = {"error": encode(ErrorReport.of(error))}
        except OSError as error:  # of this machine, such as no descriptor or process left; the daemon keeps running
            refused = EngineRefused(f"the process engine's daemon: {error}", hint="see .devenv/daemon.log")
            reply = {"error": encode(ErrorReport.of(refused))}
            report = {"message": f"{name} failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(report)
        writer.write(daemon_messages.line(reply))
        await writer.drain()

    def _on(
        self, operation: DaemonOperation[Question, Answer], handler: Callable[[Question], Awaitable[Answer]]
    ) -> None:
        async def handle(data: object) -> dict[str, Any]:
            return encode(await handler(decode(operation.question, data, operation.name)))

        self._handlers[operation.name] = handle

    async def _facts(self, _: Nothing) -> daemon_messages.DaemonFacts:
        return daemon_messages.DaemonFacts(version=__version__)

    async def _observe(self, _: Nothing) -> daemon_messages.InstanceReports:
        return daemon_messages.InstanceReports(instances=self._supervisor.observe())

    async def _retire(self, _: Nothing) -> Nothing:
        self._supervisor.retire()
        return Nothing()

    async def _create(self, launch: Launch) -> Nothing:
        self._supervisor.create(launch)
        return Nothing()

    async def _describe(self, which: OneInstance) -> daemon_messages.InstanceReport:
        return self._supervisor.describe(self._supervisor.get(which.id))

    async def _start(self, which: OneInstance) -> daemon_messages.StartReport:
        return daemon_messages.StartReport(error=(await self._supervisor.start(which.id)).error)

    async def _stop(self, request: daemon_messages.StopRequest) -> Nothing:
        await self._supervisor.stop(request.id, request.grace)
        return Nothing()

    async def _kill(self, request: daemon_messages.SignalRequest) -> Nothing:
        self._supervisor.get(request.id).kill(request.signal)
        return Nothing()

    async def _remove(self, which: OneInstance) -> Nothing:
        await self._supervisor.remove(which.id)
        return Nothing()

    async def _wait(self, which: OneInstance) -> ExitStatus:
        item = self._supervisor.get(which.id)
        await item.ended.wait()
        return ExitStatus(exit_code=item.exit_code or 0, error=item.error)

    async def _usage(self, which: OneInstance) -> daemon_messages.UsageReport:
        item = self._supervisor.get(which.id)
        sampler = item.sampler if isinstance(item, Supervised) and item.state is State.RUNNING else None
        return daemon_messages.UsageReport(usage=None if sampler is None else await asyncio.to_thread(sampler.sample))

    async def _history(self, request: EventsSince) -> daemon_messages.ProjectEvents:
        return daemon_messages.ProjectEvents(events=tuple(self._supervisor.happened(request.since)))

    async def _events(self, request: EventsSince, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send events until the client closes the connection."""
        queue = self._supervisor.listen(request.since)

        async def send() -> None:
            writer.write(daemon_messages.line({"ok": encode(Nothing())}))
            while True:
                writer.write(daemon_messages.line({"ok": encode(await queue.get())}))
                await writer.drain()

        async def closed() -> None:
            await reader.read()

        try:
            await first(closed(), send())
        finally:
            self._supervisor.unlisten(queue)
