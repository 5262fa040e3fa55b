"""What a failed span says about its failure, in one line."""

from __future__ import annotations

from devenv.model.span import Span

LONGEST = 200
"""Characters; an exception's message can be a page."""

_HTTP_KEYS = ("http.response.status_code", "http.status_code")
_RPC_KEYS = ("rpc.response.status_code", "rpc.grpc.status_code")


def error_text(span: Span) -> str:
    """The description of the status, else the exception, else the response's status, else the type of the error."""
    text = span.status_message or _exception(span) or _status(span) or str(span.attributes.get("error.type") or "")
    line = " ".join(text.split()) or "error"
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def _exception(span: Span) -> str:
    for event in span.events:
        if event.name == "exception":
            kind, message = event.attributes.get("exception.type"), event.attributes.get("exception.message")
            return ": ".join(str(part) for part in (kind, message) if part)
    return ""


def _status(span: Span) -> str:
    """The response's status, if it is one of an error."""
    for key in _HTTP_KEYS:
        code = span.attributes.get(key)
        if isinstance(code, int) and code >= 400:
            return f"HTTP {code}"
    for key in _RPC_KEYS:
        code = span.attributes.get(key)
        if isinstance(code, int | str) and code not in ("", 0, "0", "OK"):
            return f"gRPC status {code}"
    return ""
