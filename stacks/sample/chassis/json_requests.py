"""JSON bodies of requests, bounded and checked."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request

from chassis.problems import Problem

LIMIT_BYTES = 64 * 1024


async def read_object(request: Request) -> dict[str, Any]:
    """Return the body as a JSON object.

    Raises:
        Problem: 413 above 64 KiB, 400 if it is not a JSON object.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LIMIT_BYTES:
            raise Problem(413, f"a body has at most {LIMIT_BYTES} bytes")
    try:
        value = json.loads(bytes(body))
    except ValueError:
        # Not chained: the decoder's error contains the body, which may contain a password.
        raise Problem(400, "the body is not JSON") from None
    if not isinstance(value, dict):
        raise Problem(400, "the body is not a JSON object")
    return value


def text_field(values: dict[str, Any], name: str, most: int = 200) -> str:
    """Return a required text of a body.

    Raises:
        Problem: 422 if it is missing, empty, longer than ``most`` characters, or not a text.
    """
    value = values.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        raise Problem(422, f"{name} is a text of 1 to {most} characters")
    return value
