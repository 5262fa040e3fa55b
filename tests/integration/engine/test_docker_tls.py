"""The engine over TCP with TLS: through a proxy with its own certificates to the engine's socket."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from engine_harness import Harness, docker

from devenv.engine.docker import DockerEngine
from devenv.engine.docker_address import Address, find_address
from devenv.errors import EngineUnavailable

pytestmark = pytest.mark.docker


@dataclass(frozen=True)
class Certificates:
    """A certificate that signs itself and is its own authority; the client shows the same one."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"


def certificates(folder: Path) -> Certificates:
    folder.mkdir()
    made = Certificates(folder)
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    subprocess.run([*command, "-keyout", made.key, "-out", made.ca], check=True, capture_output=True, timeout=60)
    return made


@contextlib.asynccontextmanager
async def proxy(files: Certificates) -> AsyncIterator[int]:
    """Passes connections that show the right certificate on to the engine's socket."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(files.ca))
    context.load_cert_chain(files.ca, files.key)
    context.verify_mode = ssl.CERT_REQUIRED
    engine = find_address().socket_path

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(str(engine))
        await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def address(port: int, files: Certificates) -> Address:
    return Address(f"tcp://127.0.0.1:{port}", ca=files.ca, cert=files.ca, key=files.key, tls=True)


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[Harness]:
    async with docker(tmp_path / "project") as made:
        yield made


async def test_calls_streams_and_figures_work_over_tls(harness: Harness, tmp_path: Path) -> None:
    files = certificates(tmp_path / "certificates")
    instance_id = await harness.run("while :; do echo again; sleep 0.05; done")
    before = set(threading.enumerate())  # the harness listens for events on its own connection
    async with proxy(files) as port:
        engine = DockerEngine(address(port, files))
        info = await engine.info()
        assert info.address == f"tcp://127.0.0.1:{port}"
        assert not info.remote  # it says itself that it runs on this machine
        lines = engine.logs(instance_id, follow=True)
        assert (await anext(lines)).text == "again"
        await lines.aclose()  # type: ignore[attr-defined]
        assert (await engine.exec(instance_id, ["echo", "inside"])).output == b"inside\n"
        usage = await engine.usage(instance_id)
        assert usage is not None
        assert usage.memory_bytes > 0
        waiting = asyncio.create_task(engine.wait(instance_id))
        await asyncio.sleep(0.2)
        await engine.kill(instance_id)
        assert (await waiting).exit_code == 137
        await engine.close()

        async def no_stream_left() -> bool:
            new = set(threading.enumerate()) - before
            return not [thread for thread in new if thread.name.startswith("docker stream")]

        await harness.until(no_stream_left)


async def test_who_shows_no_certificate_or_trusts_another_is_told(tmp_path: Path) -> None:
    files = certificates(tmp_path / "certificates")
    stranger = certificates(tmp_path / "stranger")
    async with proxy(files) as port:
        known = address(port, files)
        for wrong in (replace(known, ca=stranger.ca), replace(known, cert=None, key=None), replace(known, tls=False)):
            engine = DockerEngine(wrong)
            with pytest.raises(EngineUnavailable) as caught:
                await engine.info()
            assert str(port) in caught.value.message
            await engine.close()
