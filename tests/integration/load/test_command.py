"""`devenv load --target` as a separate process in an empty folder: no project, no stack file, no engine."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from traced_services import TracedServices

ATTEMPTS = 5


@asynccontextmanager
async def playing(**fields: Any) -> AsyncIterator[TracedServices]:
    async with TracedServices(**fields) as services:
        yield services


def start(folder: Path, *arguments: str, files: int | None = None) -> subprocess.Popen[str]:
    """Start a load; ``files``: the hard limit of open files."""
    limited = [] if files is None else ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("DEVENV_")}
    return subprocess.Popen(
        [*limited, sys.executable, "-m", "devenv", "-C", str(folder), "load", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    )


async def load(folder: Path, *arguments: str, files: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run a load; again if this machine was too busy, which makes every run invalid."""
    for _ in range(ATTEMPTS):
        process = start(folder, *arguments, files=files)
        out, told = await asyncio.to_thread(process.communicate, timeout=60)
        if "the load generator was late" not in out:
            break
    return subprocess.CompletedProcess(process.args, process.returncode, out, told)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "devenv", "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def wait_for_requests(services: TracedServices, count: int) -> None:
    until = time.monotonic() + 20
    while len(services.paths) < count and time.monotonic() < until:
        time.sleep(0.05)


async def test_a_target_of_ones_own_needs_no_project(tmp_path: Path) -> None:
    async with playing() as services:
        done = await load(tmp_path, "--target", f"{services.url}/a?b=c", "--rps", "100", "--duration", "1s", "--plain")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "Passed: 100 of 100 requests succeeded, traces not verified"
    assert "no project is running here, so traces are not verified" in done.stderr
    assert set(services.paths) == {"GET /a?b=c HTTP/1.1"}
    assert len(services.paths) % 100 == 0
    assert (tmp_path / ".devenv").stat().st_mode & 0o777 == 0o700


async def test_most_requests_failed_is_a_negative_verdict_in_code_and_first_line(tmp_path: Path) -> None:
    statuses = tuple(503 if number % 5 else 200 for number in range(80 * 2 * ATTEMPTS))
    async with playing(statuses=statuses) as services:
        arguments = ("--target", services.url, "--rps", "80", "--duration", "1s")
        done = await load(tmp_path, *arguments)
        allowed = await load(tmp_path, *arguments, "--fail", "errors<90%", "--json")
    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "Failed: 64 of 80 requests failed (64 http_503)"
    assert allowed.returncode == 0
    document = json.loads(allowed.stdout)
    assert (document["verdict"], document["verdict_reasons"]) == ("passed", [])
    assert document["errors"] == {"http_503": 64}


async def test_without_a_target_it_says_what_is_missing_and_writes_nothing(tmp_path: Path) -> None:
    done = await load(tmp_path, "--rps", "1", "--duration", "1s", "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["kind"] in {"NotUp", "EngineUnavailable"}
    assert left_in(tmp_path) == []


async def test_a_threshold_on_traces_without_a_backend_is_refused(tmp_path: Path) -> None:
    arguments = ("--target", "http://127.0.0.1:1", "--fail", "traced==100%", "--duration", "1s")
    assert (await load(tmp_path, *arguments)).returncode == 2


async def test_user_information_and_tokens_are_neither_printed_nor_saved(tmp_path: Path) -> None:
    async with playing() as services:
        target = services.url.replace("//", "//me:hunter2@") + "/x?token=hunter3"
        done = await load(tmp_path, "--target", target, "--rps", "20", "--duration", "1s", "--json")
    assert done.returncode == 0
    assert services.headers[0]["authorization"] == "Basic bWU6aHVudGVyMg=="
    assert services.paths[0] == "GET /x?token=hunter3 HTTP/1.1"
    saved = [path.read_text() for path in (tmp_path / ".devenv" / "runs").glob("*/run.json")]
    for text in (done.stdout, done.stderr, *saved):
        assert "hunter" not in text


STACK = """
services: { web: { image: web } }
x-devenv:
  load:
    scenarios:
      hook: { path: "/hooks/aB3dE6gH9jK2mN5pQ8sT/x?token=hunter3&page=2", headers: { x-key: hunter4 } }
"""


@pytest.mark.parametrize("answers", [True, False], ids=["answered", "refused"])
async def test_secrets_of_a_scenario_are_in_no_output_and_in_no_file_of_a_run(tmp_path: Path, answers: bool) -> None:
    """All that is printed, by `runs` too, and all files; the tokens are in the path, as webhooks have them."""
    (tmp_path / "compose.yaml").write_text(STACK)
    async with playing() as services:
        url = services.url if answers else "http://127.0.0.1:1"
        target = url.replace("//", "//me:hunter2@")
        arguments = ("--target", target, "--scenario", "hook", "--rps", "20", "--duration", "1s")
        loads = [await load(tmp_path, *arguments, form) for form in ("--plain", "--json")]
    if answers:
        assert services.paths[0] == "GET /hooks/aB3dE6gH9jK2mN5pQ8sT/x?token=hunter3&page=2 HTTP/1.1"
        assert services.headers[0]["authorization"] == "Basic bWU6aHVudGVyMg=="
    shown = [await asyncio.to_thread(run, tmp_path, "runs", "list", *form) for form in ((), ("--json",))]
    latest = json.loads(shown[1].stdout)["runs"][0]["run_id"]
    shown += [await asyncio.to_thread(run, tmp_path, "runs", "show", latest, *form) for form in ((), ("--json",))]
    assert {done.returncode for done in shown} == {0}
    texts = [text.encode() for done in (*loads, *shown) for text in (done.stdout, done.stderr)]
    files = [path for path in (tmp_path / ".devenv").rglob("*") if path.is_file()]
    assert any(path.name == "run.json" for path in files)
    for text in (*texts, *(path.read_bytes() for path in files)):
        for secret in (b"hunter", b"aB3dE6gH9jK2mN5pQ8sT", b"aHVudGVyMg"):
            assert secret not in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_cut_short_it_keeps_the_results_and_says_so_first(tmp_path: Path, number: int) -> None:
    async with playing() as services:
        process = start(tmp_path, "--target", services.url, "--rps", "50", "--duration", "60s", "--plain")
        await asyncio.to_thread(wait_for_requests, services, 20)
        process.send_signal(number)
        out, _ = await asyncio.to_thread(process.communicate, timeout=20)
    assert process.returncode == 130
    assert out.startswith("Failed: cut short after ")
    assert "sent" in out


async def test_a_target_that_never_answers_with_few_descriptors_drops_and_says_so(tmp_path: Path) -> None:
    """vegeta#344: what waits is bounded, here by the descriptors; the rest is dropped and counted."""
    async with playing(hold=asyncio.Event()) as services:
        arguments = ("--target", services.url, "--rps", "300", "--duration", "1s", "--timeout", "1s", "--json")
        done = await load(tmp_path, *arguments, files=128)
    document = json.loads(done.stdout)
    assert done.returncode == 1
    assert document["errors"] == {"timeout": document["sent"]}
    assert (document["sent"] + document["dropped"], document["dropped"] > 100) == (300, True)
    assert any("dropped: too many in flight" in reason for reason in document["verdict_reasons"])
    assert "too many in flight" in done.stdout


@pytest.mark.parametrize("rps", ["30", "33.3", "7"])
async def test_the_number_of_requests_is_the_one_that_was_asked_for(tmp_path: Path, rps: str) -> None:
    """k6#3052, oha#577: also on a target slower than the rate; vegeta#620: and without bursts above it."""
    async with playing(hold=asyncio.Event()) as services:
        asyncio.get_running_loop().call_later(4.0, services.hold.set)
        done = await load(tmp_path, "--target", services.url, "--rps", rps, "--duration", "2s", "--json")
    document = json.loads(done.stdout)
    assert (document["sent"], document["completed"], document["dropped"]) == (round(float(rps) * 2),) * 2 + (0,)
    assert len(services.paths) % document["sent"] == 0
