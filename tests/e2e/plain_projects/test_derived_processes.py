"""A plain Compose project with Dockerfiles on the process engine: no service names its process."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from devenv_cli import Devenv

COMPOSE = """\
services:
  web:
    build: {context: web}
    ports: ["8000"]
    environment: {API_HOST: api, API_PORT: "5000"}
    depends_on: [api]
  api:
    build: {context: api}
"""
WEB = """\
import http.server, os, urllib.request

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        api = f"http://{os.environ['API_HOST']}:{os.environ['API_PORT']}/greeting.txt"
        text = urllib.request.urlopen(api, timeout=5).read()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

http.server.HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Handler).serve_forever()
"""
API = """\
FROM python:3.12
COPY . /srv
WORKDIR /srv/data
EXPOSE 5000
CMD ["python", "-m", "http.server", "5000"]
"""
FILES = {
    "compose.yaml": COMPOSE,
    "web/Dockerfile": 'FROM python:3.12\nWORKDIR /app\nCOPY web.py .\nEXPOSE 8000\nCMD ["python", "web.py"]\n',
    "web/web.py": WEB,
    "api/Dockerfile": API,
    "api/data/greeting.txt": "hello",
}


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Devenv]:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    tool = Devenv(tmp_path, "process", files=(tmp_path / "compose.yaml",))
    yield tool
    tool.down()


def test_a_plain_project_runs_as_processes(project: Devenv) -> None:
    up = project.json("up", "--no-canary", "--isolated")
    assert {service["name"]: service["health"] for service in up["services"]} == {
        "web": "healthy",
        "api": "healthy",
        "jaeger": "none",
    }
    with urllib.request.urlopen(up["entrypoint_url"], timeout=10) as response:
        assert response.read() == b"hello"
    project.directory.joinpath("api/requirements.txt").write_text("no-such-distribution\n")
    project.directory.joinpath("web/requirements.txt").write_text("no-such-distribution\n")
    error = project.json("up", "--no-canary", "--isolated", code=2)["error"]
    assert error["details"]["services"].keys() == {"web", "api"}
    assert "python3 -m venv web/.venv && web/.venv/bin/pip install -r web/requirements.txt" in error["hint"]
