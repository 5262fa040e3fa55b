"""A Docker engine for one test, beside the machine's: with a small disk, a short life, or another mirror."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import docker

from devenv.engine.docker import DockerEngine
from devenv.engine.docker_address import find_address

if TYPE_CHECKING:
    from docker import DockerClient

TINY = "devenv-ci/tiny:1"
"""An image of 2 MB with a shell, `sleep` and `wget`; made by :func:`tiny_tree` from Jaeger's image."""


@dataclass
class SecondEngine:
    """A running dockerd; `address` is its `DOCKER_HOST`, `namespace` the network namespace that it runs in."""

    folder: Path
    command: list[str]
    namespace: Path
    process: subprocess.Popen[bytes] = field(init=False)

    @property
    def address(self) -> str:
        return f"unix://{self.folder}/socket"

    @property
    def inside(self) -> list[str]:
        """Prefix of a command that has to reach the ports that this engine publishes."""
        return ["nsenter", f"--net={self.namespace}"]

    def start(self) -> None:
        (self.folder / "pid").unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.inside, *self.command], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"dockerd does not answer:\n{(self.folder / 'log').read_text()[-2000:]}")
            self._pause()

    def connect(self, **options: float) -> DockerEngine:
        """The engine as devenv sees it; to be closed by the caller."""
        return DockerEngine(find_address({"DOCKER_HOST": self.address}), **options)

    def client(self) -> DockerClient:
        """The engine by the SDK alone, for what tests look at without devenv."""
        return docker.DockerClient(self.address, timeout=30)

    def kill(self) -> None:
        """End it as a crash would; its containers keep running, as after a crash."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        # Its containerd ends with it, a moment later; an engine started before that would count on it.
        pid = (self.folder / "exec" / "containerd" / "containerd.pid").read_text().strip()
        deadline = time.monotonic() + 10
        while Path(f"/proc/{pid}").exists():
            if time.monotonic() > deadline:
                raise AssertionError(f"containerd ({pid}) outlives its dockerd")
            self._pause()

    def clear(self) -> None:
        """Remove its containers and stop it; one that was killed is started once more for that."""
        if self.process.poll() is not None:
            self._end_shims()
            self.start()
        client = self.client()
        for container in client.containers.list(all=True):
            container.remove(force=True, v=True)
        for network in client.networks.list():
            if network.name not in {"bridge", "host", "none"}:
                network.remove()
        client.close()
        self.process.terminate()
        self.process.wait(timeout=30)

    def _end_shims(self) -> None:
        """End what holds the containers of a killed engine, or its successor waits 10 s for each to stop."""
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes().split(b"\0")
            except OSError:
                continue  # ended meanwhile
            if (
                b"containerd-shim" in words[0]
                and os.fsencode(f"{self.folder}/exec/containerd/containerd.sock") in words
            ):
                children = (entry.parent / "task" / entry.parent.name / "children").read_text().split()
                for pid in (*children, entry.parent.name):
                    with suppress(ProcessLookupError):  # ended meanwhile
                        os.kill(int(pid), signal.SIGKILL)

    @staticmethod
    def _pause() -> None:
        threading.Event().wait(0.05)

    def _answers(self) -> bool:
        try:
            client = docker.DockerClient(self.address, timeout=5)
        except docker.errors.DockerException:
            return False
        client.close()
        return True


@contextmanager
def network_namespace() -> Iterator[Path]:
    """A network with nothing but loopback, kept by a process that does nothing else."""
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write(b"\n")
        holder.stdin.flush()
        holder.stdout.readline()  # the echo: from here on the namespace is there
        path = Path(f"/proc/{holder.pid}/ns/net")
        subprocess.run(["nsenter", f"--net={path}", "ip", "link", "set", "lo", "up"], check=True)
        yield path


@contextmanager
def second_engine(*, disk: str | None = None, mirror: int | None = None) -> Iterator[SecondEngine]:
    """Start an engine and remove all of it afterwards.

    It has its own network, because two engines in one network remove each other's default bridge.

    Args:
        disk: size of the tmpfs that holds its data (`"96m"`); `None`: an ordinary folder.
        mirror: port on its loopback of a registry that it asks for `docker.io` names.
    """
    # A socket's path may have at most 107 characters, and pytest's folders have almost as many.
    folder = Path(tempfile.mkdtemp(prefix="engine-"))
    data = folder / "data"
    data.mkdir()
    if disk:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={disk}", "tmpfs", data], check=True)
    (folder / "daemon.json").write_text("{}")  # or the machine's own settings would be read
    command = ["dockerd", "--config-file", folder / "daemon.json", "--data-root", data, "--exec-root", folder / "exec"]
    command += ["--pidfile", folder / "pid", "-H", f"unix://{folder}/socket", "--storage-driver", "overlay2"]
    command += ["--iptables=false", "--ip6tables=false", "--shutdown-timeout", "3"]
    command += ["--registry-mirror", f"http://127.0.0.1:{mirror}"] if mirror else []
    try:
        with network_namespace() as namespace:
            engine = SecondEngine(folder, [os.fspath(each) for each in command], namespace)
            engine.start()
            try:
                yield engine
            finally:
                engine.clear()
    finally:
        # Beside our tmpfs, dockerd leaves a mount of its data folder on itself.
        mounts = Path("/proc/mounts").read_text().split("\n")
        for _ in [line for line in mounts if f" {data} " in line]:
            subprocess.run(["umount", "--lazy", data], check=True)
        shutil.rmtree(folder, ignore_errors=True)


def tiny_tree(client: DockerClient, jaeger_image: str) -> bytes:
    """A tar of a root file system with busybox and its links, taken out of Jaeger's image."""
    container = client.containers.create(jaeger_image)
    try:
        chunks, _ = container.get_archive("/bin")
        archive = io.BytesIO(b"".join(chunks))
    finally:
        container.remove(v=True)
    with tarfile.open(fileobj=archive, mode="a") as tar:
        for name in ("etc", "tmp", "data"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(entry)
    return archive.getvalue()


def import_tiny(client: DockerClient, tree: bytes) -> None:
    """Give an engine the image :data:`TINY`."""
    name, _, tag = TINY.partition(":")
    client.api.import_image_from_data(tree, repository=name, tag=tag)


def copy_image(source: DockerClient, target: DockerClient, name: str) -> None:
    """Give one engine an image of another."""
    target.images.load(source.images.get(name).save(named=True))
