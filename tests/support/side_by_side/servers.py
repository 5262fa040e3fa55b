"""Runs the situations of one framework in this process: `python -m side_by_side.servers FRAMEWORK WAY` prints JSON."""

from __future__ import annotations

import importlib
import json
import logging
import sys
from functools import partial

from side_by_side.facts import Facts, facts_of
from side_by_side.recorders import HAND, recorded
from side_by_side.situations import SITUATIONS

# Its kind, and its stock instrumentation.
FRAMEWORKS = {
    "starlette": ("asgi", ("starlette", "StarletteInstrumentor")),
    "fastapi": ("asgi", ("fastapi", "FastAPIInstrumentor")),
    "flask": ("wsgi", ("flask", "FlaskInstrumentor")),
    "django": ("wsgi", ("django", "DjangoInstrumentor")),
    "aiohttp": ("aiohttp", ("aiohttp_server", "AioHttpServerInstrumentor")),
}
WEBSOCKETS = {"starlette", "fastapi", "aiohttp"}


def situations(framework: str) -> list[str]:
    """Return the names of what a framework is asked."""
    return [name for name, asked in SITUATIONS.items() if not asked.websocket or framework in WEBSOCKETS]


def run(framework: str, way: str) -> dict[str, Facts]:
    """Return the facts of every situation."""
    kind, stock = FRAMEWORKS[framework]
    if framework == "django":
        importlib.import_module("side_by_side.app_django")  # Django's instrumentations need its settings
    found = {}
    with recorded(way, (stock,)) as take:
        make = partial(importlib.import_module(f"side_by_side.app_{framework}").make, way == HAND)
        app = make if kind == "aiohttp" else make()
        ask = getattr(importlib.import_module("side_by_side.exchanges"), f"ask_{kind}")
        for name in situations(framework):
            response = ask(app, SITUATIONS[name])
            found[name] = {"response": response, **facts_of(take())}
    return found


if __name__ == "__main__":
    logging.disable()
    json.dump(run(*sys.argv[1:3]), sys.stdout)
