"""Whatever is sent to the port of OTLP over gRPC: an error each, no growth, no crash, and the next client is served."""

from __future__ import annotations

import gzip
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import h2.config
import h2.connection
import psutil
import pytest
from embedded.log_build import logged, make_record
from embedded.metric_build import gauge, metrics_request, number, resource_metrics
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from otlp_build import make_span, one, trace_id

MIB = 1024 * 1024
COLLECTOR = "/opentelemetry.proto.collector"
SERVICE = f"{COLLECTOR}.trace.v1.TraceService"
ERRORS = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED}
BODY = one("a", *(make_span(bytes([number]) * 16, attributes={"k": ["v", 1.5]}) for number in range(1, 9)))
BODIES = {
    SERVICE: BODY,
    f"{COLLECTOR}.logs.v1.LogsService": logged(
        "a", *(make_record(["x", 1], trace=bytes([n]) * 16, attributes={"k": n}, event="e") for n in range(1, 9))
    ),
    f"{COLLECTOR}.metrics.v1.MetricsService": metrics_request(
        resource_metrics("a", *(gauge(number(n, n, k="v"), number(0.5, n), name=f"g{n}") for n in range(1, 9)))
    ),
}
bounded = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Running:
    process: psutil.Process
    port: int
    log: Path
    channel: grpc.Channel

    def export(self, body: bytes, service: str = SERVICE) -> grpc.StatusCode:
        try:
            self.channel.unary_unary(f"{service}/Export")(body, timeout=20)
        except grpc.RpcError as error:
            return error.code()
        return grpc.StatusCode.OK

    def send(self, data: bytes) -> None:
        """On a new connection: the server may close it at any point."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=0.05) as client, suppress(OSError):
            client.sendall(data)
            while client.recv(65536):
                pass


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    ports = ("--grpc-port", "--otlp-port", "--query-port", "--health-port")
    command = [sys.executable, "-m", "devenv.backend", *(word for name in ports for word in (name, "0"))]
    log = tmp_path_factory.mktemp("backend") / "log"
    with log.open("wb") as errors, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().decode().partition("grpc=")[2])
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            running = Running(psutil.Process(process.pid), port, log, channel)
            for _ in range(20):
                running.export(BODY)
            before, files = running.process.memory_info().rss, running.process.num_fds()
            yield running
            assert running.export(one("a", make_span(trace_id()))) is grpc.StatusCode.OK
            assert running.process.memory_info().rss - before < 48 * MIB
            assert running.process.num_fds() < files + 20
        process.terminate()
        assert process.wait(timeout=20) == 0
    told = log.read_text(errors="replace")  # grpcio may write a line about a GOAWAY
    assert not any(word in told for word in ("Traceback", "Error parsing", "no response"))


def stream(path: str, body: bytes, headers: list[tuple[str, str]]) -> list[bytes]:
    """What a client of gRPC sends for one call, in pieces."""
    client = h2.connection.H2Connection(h2.config.H2Configuration(validate_outbound_headers=False))
    client.initiate_connection()
    pieces = [client.data_to_send()]
    fields = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "a"), ("te", "trailers")]
    client.send_headers(1, [*fields, ("content-type", "application/grpc"), *headers])
    pieces.append(client.data_to_send())
    message = b"\0" + len(body).to_bytes(4, "big") + body
    for start in range(0, len(message), 300):
        client.send_data(1, message[start : start + 300])
        pieces.append(client.data_to_send())
    client.end_stream(1)
    return [*pieces, client.data_to_send()]


PIECES = [
    *stream(f"{SERVICE}/Export", BODY, []),
    *stream(f"{SERVICE}/Nothing", BODY, [("grpc-encoding", "gzip"), ("grpc-timeout", "1m")]),
    *stream("/", b"", [("x", "y" * 20_000)]),
]
frames = st.one_of(st.sampled_from(PIECES), st.binary(max_size=64))
kinds = st.integers(0, 12)


@st.composite
def made_frames(draw: st.DrawFn) -> bytes:
    """A frame with a good header and anything in it: PING, SETTINGS, WINDOW_UPDATE, CONTINUATION, RST_STREAM, …"""
    content = draw(st.binary(max_size=40))
    head = len(content).to_bytes(3, "big") + bytes([draw(kinds), draw(st.integers(0, 255))])
    return head + draw(st.sampled_from((0, 1, 2, 3, 2**31 - 1))).to_bytes(4, "big") + content


@bounded
@given(
    pieces=st.lists(st.one_of(frames, made_frames()), max_size=12), flips=st.lists(st.integers(0, 2**20), max_size=4)
)
def test_any_frames(backend: Running, pieces: list[bytes], flips: list[int]) -> None:
    data = bytearray(b"".join([PIECES[0], *pieces]))
    for flip in flips:
        data[flip // 8 % len(data)] ^= 1 << flip % 8
    backend.send(bytes(data))


@bounded
@given(data=st.binary(max_size=200))
def test_any_bytes(backend: Running, data: bytes) -> None:
    backend.send(data)


@pytest.mark.parametrize("service", BODIES)
@bounded
@given(seed=st.integers(0, 2**32), packed=st.booleans())
def test_a_message_that_is_damaged(backend: Running, service: str, seed: int, packed: bool) -> None:
    chance = random.Random(seed)
    whole = BODIES[service]
    assert backend.export(whole, service) is grpc.StatusCode.OK
    body = bytearray(gzip.compress(whole, mtime=0) if packed else whole)
    for _ in range(chance.randrange(1, 6)):
        body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
    damaged = bytes(body[: chance.randrange(len(body))] if chance.random() < 0.3 else body)
    assert backend.export(damaged, service) in {grpc.StatusCode.OK, *ERRORS}


@pytest.mark.parametrize("kind", ["resets", "pings", "settings"])
def test_a_flood_of_frames(backend: Running, kind: str) -> None:
    head, *call = stream(f"{SERVICE}/Export", BODY, [])
    reset = b"\0\0\4\3\0\0\0\0\1" + bytes(4)
    ping = b"\0\0\x08\x06\0\0\0\0\0" + bytes(8)
    flood = {"resets": call[0] + reset, "pings": ping, "settings": b"\0\0\0\4\0" + bytes(4)}
    backend.send(head + flood[kind] * 5000)
