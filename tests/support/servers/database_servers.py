"""A real PostgreSQL, MariaDB and Redis on free ports of loopback, as a user who is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DatabaseServer:
    """A server on 127.0.0.1; the user `test` needs no password."""

    port: int
    database: str = "test"

    @property
    def url(self) -> str:
        """PostgreSQL's address."""
        return f"postgresql://test@127.0.0.1:{self.port}/{self.database}"


def program(name: str) -> str | None:
    """The path of a server's program; Debian keeps PostgreSQL's in a folder of its version."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    places = [*map(str, versions), shutil.which(name), f"/usr/sbin/{name}"]
    return next((place for place in places if place and os.access(place, os.X_OK)), None)


@contextmanager
def private_folder() -> Iterator[tuple[Path, dict[str, str]]]:
    """A folder of a user who is not root, and the options of `subprocess` that run a program as this user."""
    folder = Path(tempfile.mkdtemp(prefix="devenv-database-"))
    options = {}
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)
        options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    try:
        yield folder, options
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A port that nothing uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def running(command: list[str], folder: Path, port: int, options: dict) -> Iterator[None]:
    """A server in the folder, from when it accepts connections; its output is in the file `log`."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **options)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    text = (folder / "log").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"{command[0]} is not ready:\n{text}") from error
                time.sleep(0.05)
        yield
    finally:
        process.send_signal(signal.SIGINT if "postgres" in command[0] else signal.SIGTERM)  # not after its clients
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def postgres_server(initdb: str) -> Iterator[DatabaseServer]:
    with private_folder() as (folder, options):
        data, port = folder / "data", free_port()
        create = [initdb, "-D", data, "-U", "test", "-A", "trust", "-N", "-E", "UTF8", "--locale=C"]
        subprocess.run(create, check=True, capture_output=True, timeout=60, cwd=folder, **options)
        postgres = str(Path(initdb).with_name("postgres"))
        settings = ["-c", "fsync=off", "-c", f"unix_socket_directories={folder}", "-c", "listen_addresses=127.0.0.1"]
        with running([postgres, "-D", str(data), "-p", str(port), *settings], folder, port, options):
            server = DatabaseServer(port)
            _create(server.port)
            yield server


def _create(port: int) -> None:
    import psycopg

    deadline = time.monotonic() + 30
    while True:
        try:
            with psycopg.connect(f"postgresql://test@127.0.0.1:{port}/postgres", autocommit=True) as connection:
                connection.execute("CREATE DATABASE test")
                return
        except psycopg.OperationalError:  # it still starts up
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextmanager
def mariadb_server(mariadbd: str) -> Iterator[DatabaseServer]:
    with private_folder() as (folder, options):
        data, port, begin = folder / "data", free_port(), folder / "begin.sql"
        data.mkdir()
        begin.write_text("CREATE DATABASE test;\n")
        if "user" in options:
            os.chown(data, options["user"], options["group"])
        own = ["--no-defaults", f"--datadir={data}", f"--socket={folder}/socket", f"--pid-file={folder}/pid"]
        quick = ["--skip-grant-tables", "--skip-networking=0", "--bind-address=127.0.0.1", f"--init-file={begin}"]
        with running([mariadbd, *own, *quick, f"--port={port}", "--skip-log-bin"], folder, port, options):
            yield DatabaseServer(port)


@contextmanager
def redis_server(program: str) -> Iterator[DatabaseServer]:
    with private_folder() as (folder, options):
        port = free_port()
        settings = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        with running([program, *settings], folder, port, options):
            yield DatabaseServer(port, "0")
