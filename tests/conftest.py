"""Fixtures for the tests that need the real thing: a Docker engine, a Jaeger, a browser.

A test requests what it needs by a marker (`docker`, `browser`) or by the fixture. If it is missing, the test is skipped
with the reason, or fails if `DEVENV_TEST_REQUIRE` (names, with commas) has it, as does any other skip of such a test.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from docker import DockerClient
    from selenium.webdriver import Chrome
    from servers.database_servers import DatabaseServer

REQUIRED = frozenset(name for name in os.environ.get("DEVENV_TEST_REQUIRE", "").split(",") if name)
JAEGER_IMAGE = "jaegertracing/jaeger:2.13.0"
BASE_IMAGE = "python:3.12-slim"
PROBES = {  # these fixtures skip
    "docker": "docker_client",
    "podman": "podman_socket",
    "jaeger": "jaeger_factory",
    "browser": "_chromium",
    "postgres": "postgres",
    "mariadb": "mariadb",
    "redis": "redis_server",
    "rabbitmq": "rabbitmq",
    "node": "node_agent",
    "java": "java_agent",
    "go": "go_spans",
    "pythons": "python_images",
}
CI_CACHE = os.environ.get("DEVENV_CI_CACHE", "/var/cache/devenv-ci")  # as in .ci/settings.sh
HERE = Path(__file__).parent
PARALLEL = ("unit", "property")  # folders without `serial` tests


# --- what is missing skips a test, or fails it if it is required ------------------------------------------------------


def lacking(kind: str, reason: str) -> NoReturn:
    """Skip the running test because `kind` is missing, or fail it if `kind` is required."""
    if kind in REQUIRED:
        pytest.fail(f"{kind} is required (DEVENV_TEST_REQUIRE), but {reason}", pytrace=False)
    pytest.skip(f"{kind}: {reason}")


def pytest_configure(config: pytest.Config) -> None:
    # A shell's background job ignores SIGINT, and so would every program that a test starts and interrupts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    unknown = REQUIRED - set(PROBES)
    if unknown:
        raise pytest.UsageError(f"DEVENV_TEST_REQUIRE names {sorted(unknown)}, which is none of {[*PROBES]}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Save the time to import the parallel tests, where only `serial` ones are asked for."""
    unwanted = config.option.markexpr.startswith("serial") and collection_path.parent == HERE
    return True if unwanted and collection_path.name in PARALLEL else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a test that uses such a fixture its marker, and mark what cannot run beside others.

    Tests of the whole tool use fixed ports (4318, 16686) and share an engine, hence `serial`. Of these, the ones that
    need more than loopback are marked `machine`, and `.ci/serial.py` runs the others beside them, in their own network.
    """
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        for kind, probe in PROBES.items():
            if probe in fixtures:
                item.add_marker(kind)
        docker = item.get_closest_marker("docker") or item.get_closest_marker("podman")
        whole_tool = (HERE / "e2e") in item.path.parents
        if docker or whole_tool:
            item.add_marker("serial")
            if any((HERE / name) in item.path.parents for name in PARALLEL):
                raise pytest.UsageError(f"{item.nodeid} needs an engine, for which it is in the wrong folder")
        if docker or "package_registry" in fixtures:
            item.add_marker("machine")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    """Run a test marked `alone` while the other pytest of `.ci/serial.py` runs none; its time limit begins then."""
    path = os.environ.get("DEVENV_TEST_TURNS")
    if path is None:
        return (yield)
    with _locked(path, fcntl.LOCK_EX if item.get_closest_marker("alone") else fcntl.LOCK_SH):
        return (yield)


@contextmanager
def _locked(path: str, kind: int) -> Iterator[None]:
    """Hold a lock of a file in the order of requests: by `flock` alone, those that share it could keep it for ever."""
    with Path(path).open() as lock:
        with Path(f"{path}.next").open("a") as first:
            fcntl.flock(first, fcntl.LOCK_EX)
            fcntl.flock(lock, kind)
        yield


@pytest.fixture(autouse=True)
def _present(request: pytest.FixtureRequest) -> None:
    """Skip or fail a test whose marker names what is missing on this machine."""
    for kind, probe in PROBES.items():
        if request.node.get_closest_marker(kind):
            request.getfixturevalue(probe)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Turn any other skip of a required kind (`skipif`, `importorskip`, …) into a failure."""
    report = yield
    kinds = sorted(kind for kind in REQUIRED if item.get_closest_marker(kind))
    if report.skipped and kinds and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but {', '.join(kinds)} is required: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Any:
    """A module that skips itself hides which kinds it holds, so with anything required it is an error."""
    report = yield
    if report.skipped and REQUIRED:
        report.outcome = "failed"
        report.longrepr = f"a whole module is skipped in a run that requires {sorted(REQUIRED)}: {report.longrepr}"
    return report


# --- Docker -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def docker_client() -> Iterator[DockerClient]:
    """A client of the engine that the environment names; the base images of the sample stack are available."""
    import docker

    try:
        client = docker.from_env(timeout=60)
        client.ping()
    except docker.errors.DockerException as error:
        lacking("docker", f"no engine answers ({error}); `.ci/engine start` starts one")
    for image in (BASE_IMAGE, JAEGER_IMAGE):
        try:
            client.images.get(image)
        except docker.errors.ImageNotFound:
            lacking("docker", f"the engine has no image {image}; `.ci/images all` creates it")
    yield client
    client.close()


@pytest.fixture(scope="session")
def python_images(docker_client: DockerClient) -> frozenset[str]:
    """The images of Pythons that the engine has; all of them, if they are required."""
    from servers.python_images import images_of_pythons

    found, missing = images_of_pythons(docker_client)
    if missing and ("pythons" in REQUIRED or not found):
        lacking("pythons", missing)
    return found


@pytest.fixture(scope="session")
def podman_socket() -> None:
    from servers.podman_socket import missing_podman  # not at the top: this file is also tested alone

    if reason := missing_podman(BASE_IMAGE):
        lacking("podman", reason)


@pytest.fixture(scope="session")
def docker_engine(docker_client: DockerClient) -> str:
    """Address of an engine that answers (`unix://…`)."""
    return os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"


@pytest.fixture(scope="session")
def package_registry() -> None:
    """Declares that a test installs packages, for which it needs the machine's network."""


# --- Jaeger -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class JaegerServer:
    """A real Jaeger process; addresses are `http://127.0.0.1:PORT` without a trailing slash."""

    query_url: str
    otlp_url: str
    otlp_grpc: str
    sampling_url: str
    health_url: str
    pid: int
    log: Path


def _await_jaeger(process: subprocess.Popen[bytes], server: JaegerServer, seconds: float = 30) -> None:
    from servers.jaeger import answers

    deadline = time.monotonic() + seconds
    while not answers(f"{server.health_url}/status") or not answers(f"{server.query_url}/api/v3/services"):
        try:
            code = process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            if time.monotonic() < deadline:
                continue
            code = None
        tail = server.log.read_text(errors="replace")[-2000:]
        pytest.fail(f"Jaeger is not ready (exit code {code}):\n{tail}", pytrace=False)


@pytest.fixture(scope="session")
def jaeger_factory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., JaegerServer]]:
    """Starts real Jaegers: `jaeger_factory(backend={"memory": {"max_traces": 10}})`; all are stopped at the end.

    `backend` is the value of one entry of Jaeger's `jaeger_storage.backends`; memory for 100,000 traces by default.
    """
    binary = os.environ.get("DEVENV_TEST_JAEGER_BIN") or f"{CI_CACHE}/bin/jaeger"
    if not os.access(binary, os.X_OK):
        lacking("jaeger", f"{binary} is not a program; `.ci/go-build jaeger` builds it, or set DEVENV_TEST_JAEGER_BIN")
    running: list[subprocess.Popen[bytes]] = []

    def start(backend: Mapping[str, Any] | None = None) -> JaegerServer:
        from servers.jaeger import free_ports, jaeger_config

        folder = tmp_path_factory.mktemp("jaeger")
        ports = free_ports(6)
        config = folder / "config.json"
        config.write_text(json.dumps(jaeger_config(backend or {"memory": {"max_traces": 100_000}}, ports)))
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([binary, "--config", config], stdout=log, stderr=log, cwd=folder)
        running.append(process)
        query, otlp_http, otlp_grpc, sampling, health = (f"http://127.0.0.1:{port}" for port in ports[:5])
        server = JaegerServer(
            query, otlp_http, otlp_grpc.removeprefix("http://"), sampling, health, process.pid, folder / "log"
        )
        _await_jaeger(process, server)
        return server

    yield start
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def jaeger(jaeger_factory: Callable[..., JaegerServer]) -> JaegerServer:
    """One real Jaeger with memory storage, shared by the session: use your own trace IDs and service names."""
    return jaeger_factory()


# --- Database servers -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres() -> Iterator[DatabaseServer]:
    """A real PostgreSQL, shared by the session: use temporary tables."""
    from servers.database_servers import postgres_server, program

    initdb = program("initdb")
    if initdb is None:
        lacking("postgres", "there is no initdb: Debian's package is postgresql")
    with postgres_server(initdb) as server:
        yield server


@pytest.fixture(scope="session")
def mariadb() -> Iterator[DatabaseServer]:
    """A real MariaDB, shared by the session: use temporary tables."""
    from servers.database_servers import mariadb_server, program

    mariadbd = program("mariadbd")
    if mariadbd is None:
        lacking("mariadb", "there is no mariadbd: Debian's package is mariadb-server-core")
    with mariadb_server(mariadbd) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[DatabaseServer]:
    """A real Redis, shared by the session: use names that no other test has."""
    from servers import database_servers

    found = database_servers.program("redis-server")
    if found is None:
        lacking("redis", "there is no redis-server: Debian's package is redis-server")
    with database_servers.redis_server(found) as server:
        yield server


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[int]:
    """The port of a real RabbitMQ, shared by the session: use queues that no other test has."""
    from servers.rabbitmq import program, rabbitmq_server

    found = program()
    if found is None:
        lacking("rabbitmq", "there is no rabbitmq-server: Debian's package is rabbitmq-server")
    with rabbitmq_server(found) as port:
        yield port


# --- Agents of other languages ----------------------------------------------------------------------------------------


def _agent(language: str) -> Path:
    """The folder of the agents, if the one of a language is there and its programs can run."""
    from devenv.orchestrate.agents.catalogue import agent_kind
    from devenv.orchestrate.agents.store import AgentStore

    if shutil.which(language) is None:
        lacking(language, f"there is no program {language}")
    store = AgentStore.of_user(os.environ)
    if store.find(agent_kind(language)) is None:
        lacking(language, f"{store.directory} has no agent; `devenv agents add {language}` adds it")
    return store.directory


@pytest.fixture(scope="session")
def node_agent() -> Path:
    """The folder of the agents, with OpenTelemetry's agent of Node.js; node can run."""
    return _agent("node")


@pytest.fixture(scope="session")
def java_agent() -> Path:
    """The folder of the agents, with OpenTelemetry's agent of Java; java can run."""
    return _agent("java")


@pytest.fixture(scope="session")
def go_spans() -> Path:
    """A program with OpenTelemetry's SDK of Go, built from `tests/support/sdks/go`."""
    program = Path(CI_CACHE) / "bin" / "go-spans"
    if not os.access(program, os.X_OK):
        lacking("go", f"{program} is not a program; `.ci/go-build spans` builds it, if Go and its modules are there")
    return program


# --- Browser ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def _chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    programs = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
    for name, path in programs.items():
        if path is None:
            lacking("browser", f"there is no {name}: Debian's packages are chromium and chromium-driver")
    from servers.chromium import start

    driver = start({name: str(path) for name, path in programs.items()}, tmp_path_factory.mktemp("chromium"))
    yield driver
    driver.quit()


@pytest.fixture
def browser(_chromium: Chrome) -> Iterator[Chrome]:
    """Headless Chromium by its driver (selenium), with no cookies, on an empty page, its console log emptied."""
    _chromium.get("about:blank")
    _chromium.get_log("browser")
    yield _chromium
    _chromium.delete_all_cookies()
    _chromium.get("about:blank")
