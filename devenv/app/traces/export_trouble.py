"""What services say themselves of spans that they cannot deliver: the reason behind a canary that is not complete."""

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
"""How old a line may be: exporters warn once a minute or so, and a service may have been left running."""

_TAIL = 500
_SECONDS = 3.0
_OF_SPANS = re.compile(r"(?i)\b(spans?|traces?|otlp\w*|export\w*)\b")
_TROUBLE = re.compile(
    r"(?i)\b(fail\w*|errors?|lost|wait|refused|unavailable|unreachable|timed? ?out|deadline|not found|HTTP [45]\d\d)\b"
)


def export_trouble(text: str) -> str | None:
    """What a log line says of an export that fails, without the fields around it; ``None`` where it says nothing."""
    message = _message(text)
    return message if _OF_SPANS.search(message) and _TROUBLE.search(message) else None


async def troubles(
    engine: Engine, observed: ObservedState, services: Mapping[str, str], names: Sequence[str], *, now: float
) -> list[LogLineDocument]:
    """The last such line of each service, of the last two minutes.

    Args:
        engine: that has the output.
        observed: what runs.
        services: the stack's services by the name that their spans carry.
        names: by which to look: those whose spans are missed; empty: all of ``services``.
        now: seconds since the epoch.
    """
    found: list[LogLineDocument] = []
    for service in sorted({services.get(name, name) for name in names} or set(services.values())):
        try:
            async with asyncio.timeout(_SECONDS):
                said = [await _last(engine, instance.id, now) for instance in observed.of(service)]
        except (TimeoutError, EnvironmentFailure) as error:
            said = [f"(output not to be had: {error})"]
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
