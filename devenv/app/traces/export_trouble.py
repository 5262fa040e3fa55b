"""Finds export errors in service logs, to explain an incomplete canary trace."""

from __future__ import annotations

import asyncio
import json
import re
from typing import TYPE_CHECKING

from devenv.errors import EnvironmentFailure
from devenv.model.documents import LogLineDocument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devenv.contract.engine import Engine
    from devenv.model.state import ObservedState

RECENT_S = 120.0
"""Maximum age of a line in seconds: exporters warn about once per minute."""

_TAIL = 500
_SECONDS = 3.0
_OF_SPANS = re.compile(r"(?i)\b(spans?|traces?|otlp\w*|export\w*)\b")
_TROUBLE = re.compile(
    r"(?i)\b(fail\w*|errors?|lost|wait|refused|unavailable|unreachable|timed? ?out|deadline|not found|HTTP [45]\d\d)\b"
)


def export_trouble(text: str) -> str | None:
    """The message of a log line about a failed export, without the fields around it; ``None`` for other lines."""
    message = _message(text)
    return message if _OF_SPANS.search(message) and _TROUBLE.search(message) else None


async def troubles(
    engine: Engine, observed: ObservedState, services: Mapping[str, str], names: Sequence[str], *, now: float
) -> list[LogLineDocument]:
    """Find the last such line of each service, within the last two minutes.

    Args:
        engine: the engine of the services.
        observed: the running instances.
        services: the stack's services by the service name of their spans.
        names: service names whose spans are missing; empty: all of ``services``.
        now: seconds since the epoch.
    """
    found: list[LogLineDocument] = []
    for service in sorted({services.get(name, name) for name in names} or set(services.values())):
        try:
            async with asyncio.timeout(_SECONDS):
                said = [await _last(engine, instance.id, now) for instance in observed.of(service)]
        except (TimeoutError, EnvironmentFailure) as error:
            said = [f"(cannot read the output: {str(error) or 'timed out'})"]
        found += [LogLineDocument(service=service, text=text) for text in said if text][-1:]
    return found


async def _last(engine: Engine, instance_id: str, now: float) -> str | None:
    last: str | None = None
    async for line in engine.logs(instance_id, since=now - RECENT_S, tail=_TAIL):
        last = export_trouble(line.text) or last
    return last


def _message(text: str) -> str:
    """The message of a line that is a JSON object, as many loggers write them; else the line."""
    try:
        document = json.loads(text)
    except ValueError:
        return text.strip()
    values = [document.get(key) for key in ("message", "msg", "event")] if isinstance(document, dict) else []
    return next((value for value in values if isinstance(value, str)), text.strip())
