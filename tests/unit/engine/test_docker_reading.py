"""What the Docker engine answers, read: output frames, containers, figures, messages."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devenv.engine.docker.container_output import read_lines
from devenv.engine.docker.happenings import ACTIONS, event_filters
from devenv.engine.docker.observation import read_instance, read_ports, read_time
from devenv.engine.docker.podman import asked_version, product_of
from devenv.engine.docker.statistics import compared, read_statistics
from devenv.engine.docker.translation import Conflict, NoSuchObject, pull_error, refused, silent, taken_port
from devenv.errors import (
    DevenvError,
    DiskFull,
    EngineLost,
    EnginePermission,
    EngineRefused,
    EngineUnavailable,
    ImageMissing,
    PullFailed,
)
from devenv.model.state import PublishedPort, State

STAMP = "2026-11-23T08:53:20.474777123Z"
TEXT = st.characters(exclude_characters="\n\r", codec="utf-8")
SECONDS = 1795424000.474777


def frame(stream: int, text: str) -> bytes:
    payload = f"{STAMP} {text}".encode()
    return struct.pack(">BxxxL", stream, len(payload)) + payload


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    for size in sizes:
        yield data[:size]
        data = data[size:]
    yield data


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(
        st.tuples(
            st.sampled_from([1, 2]), st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), max_size=40)
        ),
        max_size=8,
    ),
    sizes=st.lists(st.integers(0, 30), max_size=30),
)
def test_frames_become_lines_however_the_answer_is_cut_up(lines: list[tuple[int, str]], sizes: list[int]) -> None:
    data = b"".join(frame(stream, text + "\n") for stream, text in lines)
    found = list(read_lines(cut(data, sizes), framed=None))
    by_stream = {1: "stdout", 2: "stderr"}
    assert [(line.stream, line.text) for line in found] == [(by_stream[stream], text) for stream, text in lines]
    assert all(line.time == pytest.approx(SECONDS) for line in found)


def test_a_last_line_without_end_is_a_line() -> None:
    assert [line.text for line in read_lines([frame(1, "half")], framed=None)] == ["half"]


def test_a_long_line_comes_in_several_messages_and_is_one_line() -> None:
    data = frame(1, "a" * 10) + frame(2, "other\n") + frame(1, "b" * 10 + "\n")
    assert [line.text for line in read_lines([data], framed=None)] == ["other", "a" * 10 + "b" * 10]


@pytest.mark.parametrize("framed", [None, False])
def test_a_terminals_output_has_no_frames(framed: bool | None) -> None:
    data = f"{STAMP} one\r\n{STAMP} two\r\n".encode()
    found = list(read_lines([data[:7], data[7:40], data[40:]], framed=framed))
    assert [(line.stream, line.text) for line in found] == [("stdout", "one"), ("stdout", "two")]


def test_broken_utf8_is_shown_as_far_as_it_goes() -> None:
    payload = f"{STAMP} ".encode() + b"caf\xe9\n"
    data = struct.pack(">BxxxL", 1, len(payload)) + payload
    assert [line.text for line in read_lines([data], framed=True)] == ["caf\ufffd"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (STAMP, SECONDS),
        ("2026-11-23T08:53:20Z", 1795424000.0),
        ("2026-11-23T10:53:20.5+02:00", 1795424000.5),
        ("0001-01-01T00:00:00Z", None),
    ],
)
def test_the_engines_time(text: str, seconds: float | None) -> None:
    assert read_time(text) == (seconds if seconds is None else pytest.approx(seconds, abs=1e-6))


def container(**state: object) -> dict[str, object]:
    known = {"Status": "running", "Running": True, "ExitCode": 0, "StartedAt": STAMP, "FinishedAt": "0001-01-01T0"}
    return {
        "Id": "abc",
        "Name": "/shop-web-2",
        "Image": "sha256:1",
        "RestartCount": 4,
        "Config": {"Labels": {"devenv.service": "web", "devenv.instance": "2", "devenv.config-hash": "ff"}},
        "NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}]}},
        "State": known | state,
    }


def test_a_running_container() -> None:
    found = read_instance(container(Health={"Status": "healthy"}))
    assert (found.id, found.name, found.service, found.index, found.config_hash) == (
        "abc",
        "shop-web-2",
        "web",
        2,
        "ff",
    )
    assert (found.state, found.exit_code, found.restarts) == (State.RUNNING, None, 4)
    assert (found.engine_health, found.finished_at) == ("healthy", None)
    assert found.started_at == pytest.approx(SECONDS)
    assert found.ports == (PublishedPort(host=8080, container=80),)


def test_a_container_that_the_kernel_killed() -> None:
    found = read_instance(container(Status="exited", Running=False, ExitCode=137, OOMKilled=True, FinishedAt=STAMP))
    assert (found.state, found.exit_code, found.oom_killed) == (State.EXITED, 137, True)
    assert found.finished_at == pytest.approx(SECONDS)


def test_a_container_on_its_way_out() -> None:
    assert read_instance(container(Status="removing")).state is State.DEAD


def test_the_doubles_of_ipv6_are_one_port() -> None:
    both = [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}]
    ports = read_ports({"80/tcp": both, "443/tcp": None, "53/udp": [{"HostIp": "", "HostPort": "53"}]})
    assert [(p.container, p.host, p.address, p.protocol) for p in ports] == [
        (53, 53, "0.0.0.0", "udp"),
        (80, 8080, "0.0.0.0", "tcp"),
    ]


def test_figures_are_over_the_time_since_the_last_sample() -> None:
    found = {
        "read": "2026-11-23T08:53:22.474777123Z",
        "cpu_stats": {"cpu_usage": {"total_usage": 1_500_000_000}},
        "memory_stats": {"usage": 1000, "limit": 5000, "stats": {"total_inactive_file": 300}},
        "pids_stats": {"current": 7},
    }
    when, figures = read_statistics(found)
    usage = compared(figures, when, (SECONDS, 0.5))
    assert usage.cpu_percent == pytest.approx(50.0, rel=1e-3)
    assert (usage.memory_bytes, usage.memory_limit_bytes, usage.pids) == (700, 5000, 7)


@pytest.mark.parametrize(
    ("message", "taken"),
    [
        (
            "programming external connectivity on web: Bind for 127.0.0.1:8080 failed: port is already allocated",
            ("127.0.0.1", 8080),
        ),
        (
            "Error starting userland proxy: listen tcp4 127.0.0.1:5000: bind: address already in use",
            ("127.0.0.1", 5000),
        ),
        ("listen tcp [::1]:5000: bind: address already in use", ("::1", 5000)),
        (
            "Ports are not available: exposing port TCP 0.0.0.0:80 -> 0.0.0.0:0: listen tcp 0.0.0.0:80: bind: in use",
            ("0.0.0.0", 80),
        ),
        ("OCI runtime create failed", None),
    ],
)
def test_a_port_in_use_is_read_from_the_message(message: str, taken: tuple[str, int] | None) -> None:
    assert taken_port(message) == taken


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("manifest for shop/web:9 not found: manifest unknown: manifest unknown", ImageMissing),
        ("pull access denied for shop/web, repository does not exist or may require 'docker login'", ImageMissing),
        ("failed to register layer: write /x: no space left on device", DiskFull),
        ('Get "https://registry/v2/": dial tcp 127.0.0.1:1: connect: connection refused', PullFailed),
        ("toomanyrequests: you have reached your pull rate limit", PullFailed),
    ],
)
def test_failures_of_pulls(message: str, kind: type[DevenvError]) -> None:
    error = pull_error("shop/web:9", message)
    assert type(error) is kind
    assert "shop/web:9" in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (404, "No such container: x", NoSuchObject),
        (404, "No such image: x:1", ImageMissing),
        (409, "Conflict. The container name is already in use", Conflict),
        (500, "mkdir /var/lib/docker/x: no space left on device", DiskFull),
        (500, "something else", EngineRefused),
    ],
)
def test_refusals(status: int, message: str, kind: type[DevenvError]) -> None:
    error = refused("doing this", message, status)
    assert type(error) is kind
    assert error.message == f"doing this: {message}"


@pytest.mark.parametrize(
    ("cause", "answered", "kind"),
    [
        (PermissionError(13, "Permission denied"), False, EnginePermission),
        (FileNotFoundError(2, "No such file or directory"), False, EngineUnavailable),
        (ConnectionRefusedError(111, "Connection refused"), False, EngineUnavailable),
        (ConnectionResetError(104, "Connection reset by peer"), True, EngineLost),
        (TimeoutError("timed out"), True, EngineLost),
    ],
)
def test_silence(cause: OSError, answered: bool, kind: type[DevenvError]) -> None:
    wrapped = RuntimeError("Connection aborted.", RuntimeError(cause))  # as urllib3 and requests nest them
    error = silent("working", wrapped, address="unix:///x.sock", answered=answered)
    assert type(error) is kind
    assert "unix:///x.sock" in error.message
    assert error.hint
    if cause.strerror and kind is not EnginePermission:
        assert cause.strerror in error.message


@pytest.mark.parametrize(
    "answer",
    [
        "can only kill running containers. e1cc is in state exited: container state improper",
        "network name shop_back already used: network already exists",
        'creating container storage: the container name "web" is already in use by 5d: that name is already in use',
    ],
)
def test_podmans_conflicts_have_another_status(answer: str) -> None:
    assert isinstance(refused("doing this", answer, 500), Conflict)


class Answers:
    """A client of the SDK, of an engine that answers with `headers`."""

    base_url, timeout = "http+docker://localhost", 3

    def __init__(self, headers: dict[str, str]) -> None:
        self.headers = headers

    def get(self, url: str, *, timeout: float) -> Answers:
        assert (url, timeout) == ("http+docker://localhost/_ping", 3)
        return self

    def version(self, *, api_version: bool) -> dict[str, str]:
        assert not api_version
        return {"Version": "20.10", "ApiVersion": "1.41"}


def test_podman_is_asked_for_its_version_by_a_ping_which_is_quick() -> None:
    podman = asked_version(Answers({"Libpod-Api-Version": "4.3.1", "Api-Version": "1.41"}))  # type: ignore[arg-type]
    assert (podman["Version"], podman["ApiVersion"], product_of(podman)) == ("4.3.1", "1.41", "Podman")
    docker = asked_version(Answers({"Api-Version": "1.41"}))  # type: ignore[arg-type]
    assert (docker["Version"], product_of(docker)) == ("20.10", "")


def test_podman_filters_events_by_its_own_names() -> None:
    assert event_filters("")["event"] == list(ACTIONS)
    podman = event_filters("Podman")
    assert {"died", "remove"} <= set(podman["event"])
    assert "label" not in podman
