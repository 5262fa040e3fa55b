"""The suite's two servers, a real Jaeger and the embedded backend, behind one client: fixtures and helpers."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from otlp_build import PROTOBUF


@dataclass
class Backend:
    """A server under test and a client for it."""

    name: str
    otlp_url: str
    query_url: str
    client: httpx.Client

    def post(self, body: bytes, headers: dict[str, str] = PROTOBUF) -> httpx.Response:
        return self.client.post(f"{self.otlp_url}/v1/traces", content=body, headers=headers)

    def store(self, body: bytes, *traces: bytes) -> None:
        """Post, and wait until the traces can be read."""
        assert self.post(body).status_code == 200
        for each in traces:
            self.until(lambda each=each: self.get(f"/api/traces/{each.hex()}").status_code == 200)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "it did not come true in 10 s"
            time.sleep(0.01)

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return self.client.get(f"{self.query_url}{path}", params=parameters)

    def search(self, service: str, **parameters: Any) -> list[str]:
        """Ids of the traces that a search finds, as given."""
        response = self.get("/api/traces", service=service, **parameters)
        assert response.status_code == 200, response.text
        return [trace["traceID"] for trace in response.json()["data"] or []]

    def trace(self, trace: bytes) -> dict[str, Any]:
        found = self.get(f"/api/traces/{trace.hex()}")
        assert found.status_code == 200
        document: dict[str, Any] = found.json()["data"][0]
        return document


@pytest.fixture(scope="session")
def embedded() -> Iterator[Backend]:
    command = [sys.executable, "-m", "devenv.backend", "--otlp-port", "0", "--query-port", "0", "--health-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ports = dict(pair.split("=") for pair in process.stdout.readline().split())
        with httpx.Client() as client:
            urls = (f"http://127.0.0.1:{ports[name]}" for name in ("otlp", "query"))
            yield Backend("embedded", *urls, client)
        process.terminate()


@pytest.fixture(scope="session")
def real(jaeger: Any) -> Iterator[Backend]:
    with httpx.Client() as client:
        yield Backend("jaeger", jaeger.otlp_url, jaeger.query_url, client)


@pytest.fixture(params=["embedded", pytest.param("real", marks=pytest.mark.jaeger)])
def backend(request: pytest.FixtureRequest) -> Backend:
    found: Backend = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def service() -> str:
    return f"service-{secrets.token_hex(4)}"
