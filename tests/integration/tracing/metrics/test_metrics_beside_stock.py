"""The same requests, measured by stock instrumentation and by devenv.tracing: the same metrics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[3] / "support" / "metric_programs" / "compared.py"
NAMES = ("http.server.request.duration", "http.client.request.duration", "db.client.operation.duration")
ENVIRON = {
    "PATH": os.environ["PATH"],
    "OTEL_SEMCONV_STABILITY_OPT_IN": "http,database",
    "OTEL_PYTHON_AIOHTTP_SERVER_EXCLUDED_URLS": "health",
}


def measured(kind: str, program: str) -> dict[str, Any]:
    """Names, units, descriptions, boundaries, and the count of each set of attributes."""
    done = subprocess.run(
        [sys.executable, str(PROGRAM), kind, program],
        env=ENVIRON,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        metric = json.loads(line)
        if metric["name"] not in NAMES:
            continue
        points = metric["histogram"]["dataPoints"]
        found[metric["name"]] = {
            "unit": metric["unit"],
            "description": metric["description"],
            "bounds": {tuple(point["explicitBounds"]) for point in points},
            "temporality": str(metric["histogram"]["aggregationTemporality"]).replace("2", "_CUMULATIVE")[-11:],
            "counts": {attributes(point): int(point["count"]) for point in points},
        }
        assert all(sum(map(int, point["bucketCounts"])) == int(point["count"]) for point in points)
    return found


def attributes(point: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    found = {pair["key"]: str(next(iter(pair["value"].values()))) for pair in point["attributes"]}
    if found.get("server.port", "9") != "9":
        found["server.port"] = "any"
    return tuple(sorted(found.items()))


@pytest.mark.parametrize("program", ["fastapi", "flask"])
def test_the_metrics_are_those_of_stock(program):
    ours = measured("ours", program)
    assert ours == measured("stock", program)
    assert sum(ours["http.server.request.duration"]["counts"].values()) == 5


def test_aiohttps_are_but_for_what_stock_leaves_out():
    """Stock has an empty `http.route` for no route, and no status for the 500 that the server sends."""
    ours, stock = (measured(kind, "aiohttp")["http.server.request.duration"] for kind in ("ours", "stock"))
    counts = {}
    for found, number in stock.pop("counts").items():
        told = {key: value for key, value in dict(found).items() if value}
        if told.get("error.type") == "ValueError":
            told.update({"error.type": "500", "http.response.status_code": "500"})
        counts[tuple(sorted(told.items()))] = number
    assert ours.pop("counts") == counts
    assert ours == stock


CLIENT = "http.client.request.duration"
STATUS = "http.response.status_code"
SERVER = ("server.address", "server.port")


def without(*keys: str) -> Callable[[dict[str, str]], None]:
    def change(found: dict[str, str]) -> None:
        for key in keys:
            found.pop(key, None)

    return change


def class_name(found: dict[str, str]) -> None:
    """Stock has the class of an exception without its module."""
    if "error.type" in found:
        found["error.type"] = found["error.type"].rpartition(".")[2]


def no_error(found: dict[str, str]) -> None:
    if STATUS not in found:
        del found["error.type"]


def http_error(found: dict[str, str]) -> None:
    if "error.type" in found and STATUS in found:
        found["error.type"] = "HTTPError"


# For each client, what stock does not measure, and how its attributes differ: by the convention, `server.address`,
# `server.port` and, for a failure, `error.type` are required, and each request that is sent has its own duration.
BY_CLIENT: dict[str, tuple[set[str | None], list[Callable[[dict[str, str]], None]]]] = {
    "httpx": ({None}, []),
    "urllib3": ({None}, []),
    "requests": ({"302"}, [class_name]),
    "urllib": ({"302"}, [class_name, http_error, without(*SERVER)]),
    "aiohttp": ({"302"}, [without("network.protocol.version"), no_error]),
}


@pytest.mark.parametrize("client", BY_CLIENT)
def test_a_clients_metrics_are_those_of_stock_but_for_what_stock_leaves_out(client):
    ours, stock = (measured(kind, f"{client}_client")[CLIENT] for kind in ("ours", "stock"))
    counts: Counter[tuple[tuple[str, str], ...]] = Counter()
    left_out, changes = BY_CLIENT[client]
    given = ours.pop("counts")
    assert sum(given.values()) == 8  # one redirect is followed, one call fails
    assert all({"server.address", "server.port"} <= dict(found).keys() for found in given)
    for found, number in given.items():
        told = dict(found)
        if told.get(STATUS) not in left_out:
            for change in changes:
                change(told)
            counts[tuple(sorted(told.items()))] += number
    assert counts == stock.pop("counts")
    assert ours == stock
