"""The same requests, measured by stock instrumentation and by devenv.tracing: the same metrics."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
    return tuple(sorted((pair["key"], str(next(iter(pair["value"].values())))) for pair in point["attributes"]))


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
