"""``devenv view``: receivers and pages without a stack."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Any

import httpx
import pytest
from otlp_build import PROTOBUF, make_span, one, request, resource_spans, trace_id

from devenv.app.view.viewer import FREE_PORTS, ViewPorts, viewer
from devenv.dashboard.pages import page_routes
from devenv.errors import ConfigurationError, PortTaken

ZIPKIN = {"traceId": "ab" * 16, "id": "cd" * 8, "name": "get", "localEndpoint": {"serviceName": "api"}}


@contextmanager
def viewing(*arguments: str | Path) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """The command, as soon as it listens, with its document."""
    command = [sys.executable, "-m", "devenv", "--json", "view", "--ports", "auto", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline()), process
        finally:
            process.kill()


def test_the_first_span_opens_its_traces() -> None:
    with viewing() as (document, process):
        with httpx.stream("GET", document["ui_url"], timeout=20) as page:
            pieces = page.iter_text()
            text = ""
            while ".NET" not in text:
                text += next(pieces)
            assert f"OTEL_EXPORTER_OTLP_ENDPOINT={document['otlp_http_url']}" in text
            assert list(document["setup"]) == ["Any SDK, in the shell", "Python", "Node.js", "Java", "Go", ".NET"]
            for title, lines in document["setup"].items():
                assert title in text
                assert all(escape(line) in text for line in lines)
            body = one("shop", make_span(trace_id(), name="GET /cart"))
            assert httpx.post(f"{document['otlp_http_url']}/v1/traces", content=body, headers=PROTOBUF).is_success
            assert '<meta http-equiv="refresh" content="0;url=/search?service=shop">' in "".join(pieces)
        assert "shop GET /cart" in httpx.get(document["ui_url"], follow_redirects=True).text
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(timeout=20) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(document["ui_url"])


def test_files_are_opened(tmp_path: Path) -> None:
    """Of each kind: OTLP protobuf, Zipkin's JSON, and what the viewer itself answers, Jaeger's JSON and OTLP JSON."""
    trace = trace_id()
    (tmp_path / "a.bin").write_bytes(request(resource_spans("web", make_span(trace, name="root"))))
    (tmp_path / "b.json").write_text(json.dumps([ZIPKIN]))
    with viewing(tmp_path / "a.bin") as (document, _):
        assert document["ui_url"].endswith(f"/trace/{trace.hex()}")
        assert "web: root" in httpx.get(document["ui_url"]).text
        for name, path in (("jaeger.json", "/api/traces"), ("otlp.json", "/api/v3/traces")):
            (tmp_path / name).write_text(httpx.get(f"{document['query_url']}{path}/{trace.hex()}").text)
    for name in ("jaeger.json", "otlp.json"):
        with viewing(tmp_path / name) as (document, _):
            assert (document["traces"], document["spans"]) == ([trace.hex()], 1)
            assert "web: root" in httpx.get(document["ui_url"]).text
    with viewing(tmp_path / "a.bin", tmp_path / "b.json") as (document, _):
        assert (document["traces"], document["spans"]) == ([trace.hex(), "ab" * 16], 2)
        assert "api: get" in httpx.get(f"{document['ui_url']}/trace/{'ab' * 16}").text


async def test_a_taken_port_and_a_bad_file_are_said(tmp_path: Path) -> None:
    async with viewer([], page_routes, FREE_PORTS) as document:
        taken = int(document.query_url.rpartition(":")[2])
        with pytest.raises(PortTaken) as caught:
            async with viewer([], page_routes, ViewPorts(0, 0, taken)):
                pass
        assert "devenv view --ports auto" in (caught.value.hint or "")
        (tmp_path / "bad.json").write_text("{}")
        with pytest.raises(ConfigurationError, match=r"bad.json:1:1: found JSON of another kind"):
            async with viewer([tmp_path / "bad.json"], page_routes, ViewPorts(0, 0, taken)):
                pass
