"""The control socket: one request a connection, as a line of JSON; the answer is one line, or many for streams.

``{"op": …, …}`` is answered with ``{"ok": …}`` or with ``{"error": {"kind", "message", "hint", "details"}}``. It
lies in ``.devenv/`` with mode 0600: whoever may read the project's files may control it, and nobody else.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from devenv import __version__
from devenv.daemon.instance import Supervised
from devenv.errors import DevenvError
from devenv.model.launch import Launch

if TYPE_CHECKING:
    from devenv.daemon.supervisor import Supervisor

MAX_REQUEST = 4 * 2**20


class Control:
    """Answers requests by acting on the supervisor."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        try:
            line = await reader.readline()
            if not line:
                return
            request = json.loads(line)
            if request["op"] == "events":
                await self._events(float(request["since"]), reader, writer)
            else:
                answer = await self._answer(request)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            return  # a client that went away or does not speak the protocol gets no answer
        finally:
            writer.close()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"ok": await self._act(request)}
        except DevenvError as error:
            part = {"kind": error.kind, "message": error.message, "hint": error.hint, "details": error.details}
            return {"error": part}

    async def _act(self, request: dict[str, Any]) -> Any:
        supervisor = self._supervisor
        operation = request["op"]
        if operation == "info":
            return {"version": __version__}
        if operation == "observe":
            return supervisor.observe()
        if operation == "retire":
            supervisor.retire()
            return None
        if operation == "create":
            supervisor.create(Launch.from_json(request["launch"]))
            return None
        item = supervisor.get(request["id"])
        match operation:
            case "describe":
                return supervisor.describe(item)
            case "start":
                item = await supervisor.start(request["id"])
                return {"error": item.error, "exit_code": item.exit_code}
            case "stop":
                await item.stop(request["grace"])
            case "kill":
                item.kill(request["signal"])
            case "remove":
                await supervisor.remove(request["id"])
            case "wait":
                await item.ended.wait()
                return {"exit_code": item.exit_code, "error": item.error}
            case "usage":
                sampler = item.sampler if isinstance(item, Supervised) and item.state == "running" else None
                return None if sampler is None else await asyncio.to_thread(sampler.sample)
        return None

    async def _events(self, since: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Events until the client goes; a first line says that listening has begun."""
        queue = self._supervisor.listen(since)
        gone = asyncio.ensure_future(reader.read())
        try:
            writer.write(b'{"ok": null}\n')
            while not gone.done():
                waiting = asyncio.ensure_future(queue.get())
                await asyncio.wait({gone, waiting}, return_when=asyncio.FIRST_COMPLETED)
                if not waiting.done():
                    waiting.cancel()
                    return
                writer.write(json.dumps(waiting.result()).encode() + b"\n")
                await writer.drain()
        finally:
            gone.cancel()
            self._supervisor.unlisten(queue)
