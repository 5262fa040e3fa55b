"""Whether a project runs on Docker, asked with one small request: the import of the Docker client takes longer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from devenv.model.identity import LABEL_DIRECTORY, LABEL_PROJECT

LIMIT = 16 * 2**20


async def project_of(socket: Path, directory: str) -> str:
    """Return the ID of the project that has containers with the label of this directory; empty if there is none.

    Args:
        socket: of the engine.
        directory: absolute, without links.

    Raises:
        OSError: If the engine does not respond, or not as a Docker engine does.
    """
    filters = quote(json.dumps({"label": [f"{LABEL_DIRECTORY}={directory}"]}))
    # HTTP/1.0: the answer is not chunked and ends with the connection.
    request = f"GET /containers/json?all=true&filters={filters} HTTP/1.0\r\nHost: docker\r\n\r\n"
    reader, writer = await asyncio.open_unix_connection(str(socket), limit=LIMIT)
    try:
        writer.write(request.encode())
        await writer.drain()
        answer = await reader.read(LIMIT)
        while more := await reader.read(LIMIT):
            answer += more
            if len(answer) > LIMIT:
                break
    finally:
        writer.close()
    return _project(answer)


def _project(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    try:
        if head.split(b" ", 2)[1] != b"200":
            raise ValueError("not a success")
        containers: list[dict[str, Any]] = json.loads(body)
        found = [(container["Labels"] or {}).get(LABEL_PROJECT, "") for container in containers]
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise OSError(f"not the answer of a Docker engine: {error}") from error
    return next(filter(None, found), "")
