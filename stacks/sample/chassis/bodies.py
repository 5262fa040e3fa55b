"""JSON bodies of answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def encode(value: Any) -> bytes:
    """Return a value as JSON; the encoder is created once (Starlette creates one for each answer)."""
    return _encode(value).encode()


def json_response(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer with a JSON value."""
    return Response(encode(value), status, headers, media_type="application/json")


def encoded_response(body: bytes) -> Response:
    """Return an answer with JSON that is already encoded."""
    return Response(body, media_type="application/json")
