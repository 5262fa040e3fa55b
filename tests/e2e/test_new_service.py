"""`devenv new service` twice in a project of a user's own, and `devenv up` on each engine: the canary passes both."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from devenv_cli import SERVICES, Devenv, services_of, wait_for_trace

KEY = {"x-api-key": "devenv-demo-key"}
NEW = {"orders", "shipping"}


@pytest.fixture(scope="module")
def devenv(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devenv]:
    """The sample as a project of a user's own: nothing in it leads back to the repository."""
    folder = tmp_path_factory.mktemp(f"{engine}-shop")
    tool = Devenv(folder, engine, files=(), environ={"BUILD_NETWORK": "host"})
    tool.json("init", "--name", "devenv-test-shop")
    yield tool
    tool.down()
    if engine == "docker":  # the images of this run are used by this test only
        images = request.getfixturevalue("docker_client").images
        for image in images.list(filters={"reference": "devenv-test-shop*"}):
            images.remove(image.id, force=True)


@pytest.fixture(scope="module")
def made(devenv: Devenv) -> list[Any]:
    """The documents of both services."""
    return [
        devenv.json("new", "service", "orders", "--upstream", "user"),
        devenv.json("new", "service", "shipping", "--template", "python/fastapi", "--upstream", "orders"),
    ]


@pytest.fixture(scope="module")
def up(devenv: Devenv, made: list[Any]) -> Any:
    return devenv.json("up", "--timeout", "240s")


def ask(up: Any, path: str, **headers: str) -> tuple[Any, str]:
    """The document that the gateway answers with, and the trace's id."""
    request = urllib.request.Request(up["entrypoint_url"] + path, headers=headers)
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response), response.headers["traceresponse"].split("-")[1]


def chain(trace: dict[str, Any], span: dict[str, Any]) -> list[str]:
    """The services from a span up to the root, each once in a row."""
    spans = {each["spanID"]: each for each in trace["spans"]}
    found: list[str] = []
    while True:
        service = trace["processes"][span["processID"]]["serviceName"]
        if found[-1:] != [service]:
            found.append(service)
        if not span["references"]:
            return found
        span = spans[span["references"][0]["spanID"]]


def kind(span: dict[str, Any]) -> str:
    return next(tag["value"] for tag in span["tags"] if tag["key"] == "span.kind")


def test_the_canary_passes_the_new_services(made: list[Any], up: Any) -> None:
    assert [document["port"] for document in made] == [8083, 8084]
    assert up["canary"]["verdict"] == "complete", up["canary"]
    assert set(up["canary"]["services"]) == SERVICES | NEW
    health = {service["name"]: service["health"] for service in up["services"]}
    assert {health[name] for name in SERVICES | NEW} == {"healthy"}


def test_their_spans_have_the_right_parents(up: Any) -> None:
    _, trace_id = ask(up, "/api/profile", **KEY)
    spans = up["canary"]["spans"] - 1  # the same request, without devenv's own root
    trace = wait_for_trace(up["trace_backend"]["query_url"], trace_id, SERVICES | NEW, spans=spans)
    servers = [span for span in trace["spans"] if kind(span) == "server"]
    chains = sorted(chain(trace, span) for span in servers)
    assert chains == sorted(
        [
            ["gateway"],
            ["auth", "gateway"],
            ["user", "auth", "gateway"],
            ["orders", "gateway"],
            ["user", "orders", "gateway"],
            ["shipping", "gateway"],
            ["orders", "shipping", "gateway"],
            ["user", "orders", "shipping", "gateway"],
        ]
    )
    names = [span["operationName"] for span in trace["spans"]]
    assert names.count("compose answer") == 3


def test_the_gateway_has_a_route_to_each(up: Any) -> None:
    orders, _ = ask(up, "/api/orders", **KEY)
    assert orders["service"] == "orders"
    assert orders["upstreams"]["user"]["service"] == "user"
    shipping, trace_id = ask(up, "/api/shipping/", **KEY)
    assert shipping["upstreams"]["orders"] == orders
    trace = wait_for_trace(up["trace_backend"]["query_url"], trace_id, {"gateway", "shipping", "orders"})
    assert "orders" in services_of(trace)
    with pytest.raises(urllib.error.HTTPError) as refused:
        ask(up, "/api/orders")
    assert refused.value.code == 401


def test_log_lines_name_the_trace(devenv: Devenv, up: Any) -> None:
    done = devenv.run("logs", "--trace", up["canary"]["trace_id"], "--json")
    assert {json.loads(line)["service"] for line in done.stdout.splitlines()} >= NEW


@pytest.mark.alone
def test_load_finds_every_request_complete(devenv: Devenv, up: Any) -> None:
    run = devenv.json("load", "--rps", "20", "--duration", "3s", "--fail", "traced==100%")
    assert (run["completed"], run["errors"]) == (60, {})
    assert run["traces"]["complete"] + run["traces"]["late"] == 60


def test_the_image_does_not_run_as_root_and_its_healthcheck_tells(devenv: Devenv, up: Any, engine: str) -> None:
    user = "10001" if engine == "docker" else str(os.geteuid())
    assert devenv.run("exec", "orders", "--", "id", "-u").stdout.strip() == user
    for port, code in (("${PORT:-8083}", 0), ("1", 1)):
        done = devenv.run("exec", "orders", "--", "sh", "-c", f"PORT={port} exec python -m orders.healthcheck")
        assert done.returncode == code, done.stderr


def test_down_leaves_nothing(devenv: Devenv, up: Any) -> None:
    assert devenv.json("down")["left"] == []
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(up["entrypoint_url"] + "/healthz", timeout=2)
