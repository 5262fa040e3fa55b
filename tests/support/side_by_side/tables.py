"""The tables in tests/integration/tracing/side_by_side: `python -m side_by_side.tables` writes them again.

Run it with `PYTHONPATH=tests/support` when a change of the spans is meant, and read the difference that git shows.
"""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from side_by_side.facts import Facts
from side_by_side.recorders import AUTO, BARE, HAND, STOCK
from side_by_side.table import Row, rendered, rows, rules

SUPPORT = Path(__file__).parents[1]
FOLDER = SUPPORT.parent / "integration" / "tracing" / "side_by_side"
WAYS = (BARE, AUTO, HAND, STOCK)
SERVERS = ("starlette", "fastapi", "flask", "django", "aiohttp")
CLIENTS = ("httpx", "httpx-async", "requests", "urllib3", "urllib", "aiohttp-client")


class Changed(Exception):
    """Tracing has changed what the program does."""


def table(subject: str) -> tuple[str, list[str]]:
    """Run a framework or a client in all ways, each in its own process.

    Returns:
        The table, and the differences that no rule decides.

    Raises:
        Changed: If a response with tracing is not the response without.
    """
    with ThreadPoolExecutor(2) as pool:
        bare, *traced = pool.map(partial(facts, subject), WAYS)
    for way, found in zip(WAYS[1:], traced, strict=True):
        for situation, those in found.items():
            if those["response"] != bare[situation]["response"]:
                raise Changed(f"{subject}, {situation}: {bare[situation]['response']}, {way}: {those['response']}")
    auto, hand, stock = traced
    compared: dict[str, list[Row]] = {name: rows(auto[name], hand[name], stock[name]) for name in auto}
    return rendered(TITLE, {subject: compared}, rules(FOLDER / "rules.yaml"))


TITLE = "Written by `python -m side_by_side.tables`. `=` is the same, `-` is not there; rules.yaml has the rules."


def facts(subject: str, way: str) -> dict[str, Facts]:
    """Return the facts of every situation, from another process: one for each framework, one for all clients."""
    found: dict[str, Facts] = _clients(way)[subject] if subject in CLIENTS else _run("servers", subject, way)
    return found


@lru_cache
def _clients(way: str) -> Any:
    return _run("clients", way)


def _run(module: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", f"side_by_side.{module}", *arguments],
        cwd=SUPPORT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def write(subject: str) -> list[str]:
    """Write a table; the differences that no rule decides."""
    text, undecided = table(subject)
    (FOLDER / f"{subject}.txt").write_text(text)
    return undecided


if __name__ == "__main__":
    open_ = [line for subject in sys.argv[1:] or (*SERVERS, *CLIENTS) for line in write(subject)]
    if open_:
        sys.exit("\n".join(["Add a rule to rules.yaml for:", *open_]))
