"""A server that answers as MongoDB does, by the messages OP_MSG and OP_QUERY, enough for pymongo's clients."""

from __future__ import annotations

import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import bson

_OP_REPLY, _OP_QUERY, _OP_MSG = 1, 2004, 2013
_UNACKNOWLEDGED = 2
_HELLO = {"ismaster": True, "helloOk": True, "maxBsonObjectSize": 2**24, "maxMessageSizeBytes": 48_000_000,
          "maxWriteBatchSize": 100_000, "minWireVersion": 0, "maxWireVersion": 25, "logicalSessionTimeoutMinutes": 30,
          "readOnly": False, "ok": 1.0}  # fmt: skip


class _Conversation(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        try:
            while True:
                length, request, _, kind = struct.unpack("<iiii", self._read(16))
                self._answer(request, kind, self._read(length - 16))
        except (EOFError, OSError):
            return

    def _read(self, size: int) -> bytes:
        found = b""
        while len(found) < size:
            part = self.request.recv(size - len(found))
            if not part:
                raise EOFError
            found += part
        return found

    def _answer(self, request: int, kind: int, body: bytes) -> None:
        if kind == _OP_QUERY:  # the first hello of a connection
            reply = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(_HELLO)
            self._send(request, _OP_REPLY, reply)
            return
        (flags,) = struct.unpack_from("<I", body)
        command = _command(body[4:])
        answer = self.server.answer(command)  # type: ignore[attr-defined] # set by `mongodb_server`
        if answer is None:
            raise EOFError
        if not flags & _UNACKNOWLEDGED:
            self._send(request, _OP_MSG, struct.pack("<IB", 0, 0) + bson.encode(answer))

    def _send(self, request: int, kind: int, body: bytes) -> None:
        self.request.sendall(struct.pack("<iiii", 16 + len(body), 1, request, kind) + body)


def _command(sections: bytes) -> dict[str, Any]:
    """Read the sections of a message: the command, and the sequences of documents beside it."""
    found: dict[str, Any] = {}
    while sections:
        kind, (size,) = sections[0], struct.unpack_from("<i", sections, 1)
        part, sections = sections[1 : 1 + size], sections[1 + size :]
        if kind == 0:
            found = {**bson.decode(part), **found}
        else:
            name, _, documents = part[4:].partition(b"\0")
            found[name.decode()] = bson.decode_all(documents)
    return found


def _answer_to(command: dict[str, Any]) -> dict[str, Any] | None:
    """Answer a command; None closes the connection."""
    name = next(iter(command))
    target = command[name]
    if target == "refusing":
        return {"ok": 0.0, "errmsg": "not allowed", "code": 13, "codeName": "Unauthorized"}
    if target == "dying":
        return None
    if target == "slow":
        time.sleep(0.2)
    cursor = {"ns": f"{command.get('$db')}.{target}", "id": 0}
    if name in {"find", "aggregate"}:
        more = bson.Int64(7) if command.get("batchSize") == 2 else 0
        return {"ok": 1.0, "cursor": {**cursor, "id": more, "firstBatch": [{"_id": 1}, {"_id": 2}]}}
    if name == "getMore":
        return {"ok": 1.0, "cursor": {**cursor, "nextBatch": [{"_id": 3}]}}
    if name == "insert" and target == "unique":
        error = {"index": 0, "code": 11000, "errmsg": "E11000 duplicate key { name: 'SECRET' }"}
        return {"ok": 1.0, "n": 0, "writeErrors": [error]}
    if name == "bulkWrite":
        refused = {"ok": 0.0, "idx": 0, "code": 11000, "errmsg": "E11000 duplicate key { name: 'SECRET' }", "n": 0}
        results = {"id": 0, "ns": "admin.$cmd.bulkWrite", "firstBatch": [refused]}
        counts = dict.fromkeys(("nInserted", "nMatched", "nModified", "nUpserted", "nDeleted"), 0)
        return {"ok": 1.0, "cursor": results, "nErrors": 1, **counts}
    if name.lower() in {"hello", "ismaster"}:
        return dict(_HELLO)
    return {"ok": 1.0, "n": 1, "nModified": 1}


@contextmanager
def mongodb_server() -> Iterator[SimpleNamespace]:
    """A server on a free port; `commands` has the names of those that it was given, `port` its port."""
    commands: list[str] = []

    def answer(command: dict[str, Any]) -> dict[str, Any] | None:
        commands.append(next(iter(command)))
        return _answer_to(command)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        allow_reuse_address = True

    with Server(("127.0.0.1", 0), _Conversation) as server:
        server.answer = answer  # type: ignore[attr-defined] # read by the conversations
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield SimpleNamespace(port=server.server_address[1], commands=commands)
        server.shutdown()
        thread.join()
