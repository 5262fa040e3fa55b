"""One request to an application of this process, as a server gives it: by ASGI, by WSGI, by a socket."""

from __future__ import annotations

import asyncio
import io
import sys

from aiohttp import web
from side_by_side.situations import CLIENT, HOST, SERVER, Situation


def ask_asgi(app, asked: Situation) -> str:
    """Ask an ASGI application as uvicorn does; the status, or the exception that the server would have logged."""
    return asyncio.run(_ask_asgi(app, asked))


async def _ask_asgi(app, asked: Situation) -> str:
    scope = {
        "type": "websocket" if asked.websocket else "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws" if asked.websocket else "http",
        "path": asked.path,
        "raw_path": asked.path.encode(),
        "query_string": asked.query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in asked.fields().items()],
        "client": CLIENT,
        "server": SERVER,
        "state": {},
    }
    if asked.websocket:
        scope["subprotocols"] = []
        given = [{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "x"}]
    else:
        scope["method"] = asked.method
        given = [{"type": "http.request", "body": asked.body, "more_body": False}]
    gone = asyncio.Event()
    statuses = []

    async def receive():
        if given:
            return given.pop(0)
        await gone.wait()
        return {"type": "websocket.disconnect" if asked.websocket else "http.disconnect"}

    async def send(message):
        if "status" in message:
            statuses.append(message["status"])
        elif message["type"] == "websocket.accept":
            statuses.append(101)
        if asked.leaves and message.get("body"):
            gone.set()

    return await _outcome(app(scope, receive, send), statuses)


async def _outcome(running, statuses) -> str:
    try:
        await asyncio.wait_for(running, 20)
    except Exception as error:  # noqa: BLE001 - what a server logs
        statuses.append(f"raises {type(error).__name__}")
    return ", ".join(map(str, statuses))


def ask_wsgi(app, asked: Situation) -> str:
    """Ask a WSGI application as gunicorn does."""
    fields = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in asked.fields().items()}
    length = {"CONTENT_LENGTH": fields.pop("HTTP_CONTENT_LENGTH")} if asked.body else {}
    environ = {
        "REQUEST_METHOD": asked.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": asked.path,
        "QUERY_STRING": asked.query,
        "RAW_URI": asked.path + (f"?{asked.query}" if asked.query else ""),
        "SERVER_NAME": SERVER[0],
        "SERVER_PORT": str(SERVER[1]),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": CLIENT[0],
        "REMOTE_PORT": str(CLIENT[1]),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(asked.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **fields,
        **length,
    }
    statuses = []
    body = ()
    try:
        body = app(environ, lambda status, headers, exc_info=None: statuses.append(status.partition(" ")[0]))
        for _ in body:
            if asked.leaves:
                break
    except Exception as error:  # noqa: BLE001 - what a server logs
        statuses.append(f"raises {type(error).__name__}")
    finally:
        if hasattr(body, "close"):
            body.close()
    return ", ".join(statuses)


def ask_aiohttp(make, asked: Situation) -> str:
    """Ask an application of aiohttp over a socket: it has no interface below its server."""
    return asyncio.run(_ask_aiohttp(make, asked))


async def _ask_aiohttp(make, asked: Situation) -> str:
    runner = web.AppRunner(make(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    target = asked.path + (f"?{asked.query}" if asked.query else "")
    fields = {**asked.fields(), "host": f"{HOST}:{SERVER[1]}"}
    if asked.websocket:
        fields |= {"connection": "upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}
        fields["sec-websocket-key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
    else:
        fields["connection"] = "close"
    lines = [f"{asked.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    reader, writer = await asyncio.open_connection("127.0.0.1", runner.addresses[0][1])
    writer.write("\r\n".join(lines).encode() + asked.body)
    status = (await reader.readline()).split()[1].decode()
    if asked.websocket:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x81\x81\0\0\0\0x" + b"\x88\x82\0\0\0\0\x03\xe8")  # the text x, then a close with 1000
    elif asked.leaves:
        await reader.readuntil(b"\r\n\r\n")
        await reader.readline()
        writer.transport.abort()
    if not asked.leaves:
        await reader.read()
    writer.close()
    await asyncio.sleep(0.05 if asked.leaves else 0)
    await runner.cleanup()
    return status
