"""``x-devenv.backend.access: token``: devenv's own commands work, other users read nothing, and no secret shows."""

from __future__ import annotations

import http.cookiejar
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from devenv_cli import SAMPLE, Devenv

OVERRIDE = "x-devenv: { backend: { access: token } }\n"
BROWSER = '#!/bin/sh\necho "$@" >> {log}\n'


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Devenv]:
    override = tmp_path / "override.yaml"
    override.write_text(OVERRIDE)
    (tmp_path / "project").mkdir()
    tool = Devenv(tmp_path / "project", "process", files=(SAMPLE, override))
    yield tool
    tool.down()


def answer(url: str, opener: urllib.request.OpenerDirector | None = None, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with (opener or urllib.request.build_opener()).open(request, timeout=10) as response:
            return int(response.status), str(response.url)
    except urllib.error.HTTPError as error:
        return error.code, url


def command_lines() -> str:
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(file.read_bytes().decode(errors="replace"))
        except OSError:
            continue  # it has ended
    return "\n".join(found)


def test_commands_work_and_others_read_nothing(closed: Devenv, tmp_path: Path) -> None:
    up = closed.json("up")
    assert (up["canary"]["verdict"], up["trace_backend"]["access"]) == ("complete", "token")
    query, trace = up["trace_backend"]["query_url"], up["canary"]["trace_id"]
    for path in ("/search", f"/trace/{trace}", f"/api/traces/{trace}", "/api/v3/services", "/api/devenv/stats"):
        assert answer(query + path)[0] == 401, path

    header = closed.directory / ".devenv" / "authorization"
    assert header.stat().st_mode & 0o777 == 0o600
    name, _, value = header.read_text().strip().partition(": ")
    assert answer(f"{query}/api/services", **{name: value})[0] == 200

    run = closed.json("load", "--rps", "5", "--duration", "2s")
    assert run["traces"]["complete"] == run["sent"] == 10
    assert closed.json("traces", "show", trace)["trace_id"] == trace
    assert closed.json("traces", "search", "--limit", "3")["traces"]
    status = closed.run("status")
    assert status.returncode == 0
    assert "wants a token: open it with `devenv open jaeger`" in status.stdout

    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
    link = closed.json("open", trace, "--print")["url"]
    assert answer(link, browser) == (200, f"{query}/trace/{trace}")
    assert answer(f"{query}/search", browser)[0] == 200, "the cookie stays"
    assert answer(link)[0] == 401, "the link works once"

    program, log = tmp_path / "browser", tmp_path / "opened"
    program.write_text(BROWSER.format(log=log))
    program.chmod(0o755)
    assert closed.json("open", BROWSER=f"{program} %s")["opened"]
    assert log.read_text() == (closed.directory / ".devenv" / "open.html").as_uri() + "\n"

    token = value.removeprefix("Bearer ")
    assert len(token) > 40
    if sys.platform == "linux":
        assert token not in command_lines()
    holders = [p for p in closed.directory.rglob("*") if p.is_file() and token in p.read_text(errors="replace")]
    assert holders == [header]

    closed.down()
    assert not header.exists()
