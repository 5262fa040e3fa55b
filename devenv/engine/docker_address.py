"""Address of the Docker engine: ``DOCKER_HOST``, else the current docker context, else the default socket.

If there is no default socket, those of Podman, which answers as Docker does: the user's own, then the system's.

Formats: https://docs.docker.com/engine/manage-resources/contexts/ (``contexts/meta/<sha256 of the name>/meta.json``).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from devenv.errors import ConfigurationError, Location
from devenv.immutable import immutable

DEFAULT_SOCKET = "unix:///var/run/docker.sock"
PODMAN_SOCKET = Path("podman/podman.sock")
"""Below ``XDG_RUNTIME_DIR`` (``podman.socket`` of the user), and below ``/run`` (that of the system)."""

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@immutable()
class Address:
    """An engine's address.

    Attributes:
        url: ``unix://…`` or ``tcp://host:port``.
        ca, cert, key: files for TLS; ``None`` if it is not used.
        verify: whether the engine's certificate is checked.
        origin: source of the address, for messages.
    """

    url: str
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    tls: bool = False
    verify: bool = True
    origin: str = "default"

    @property
    def socket_path(self) -> Path | None:
        """Path of a Unix socket."""
        return Path(self.url.removeprefix("unix://")) if self.url.startswith("unix://") else None

    @property
    def hostname(self) -> str:
        """Name of the engine's machine; empty for a socket."""
        return "" if self.socket_path is not None else urlsplit(self.url).hostname or ""

    @property
    def is_elsewhere(self) -> bool:
        """Whether the engine is certainly on another machine; a loopback address may be a tunnel."""
        return self.socket_path is None and self.hostname not in LOOPBACK


def find_address(
    environment: Mapping[str, str] | None = None, home: Path | None = None, *, root: Path = Path("/")
) -> Address:
    """The address that the ``docker`` program would use; a socket of Podman if Docker has none.

    Args:
        environment: of the command; ``None``: of this process.
        home: of the user; ``None``: by the environment.
        root: directory below which the sockets ``var/run/docker.sock`` and ``run/podman/podman.sock`` are looked for.

    Raises:
        ConfigurationError: the current context is missing or unreadable.
    """
    env = os.environ if environment is None else environment
    folder = Path(env["DOCKER_CONFIG"]) if env.get("DOCKER_CONFIG") else (home or Path.home()) / ".docker"
    if host := env.get("DOCKER_HOST"):
        return _from_host(host, env, folder)
    context = env.get("DOCKER_CONTEXT") or _current_context(folder)
    if context and context != "default":
        return _from_context(context, folder)
    return _by_sockets(env, root)


def _by_sockets(env: Mapping[str, str], root: Path) -> Address:
    """The first socket that exists: Docker's, that of the user's Podman, that of the system's; else Docker's."""
    docker = root / "var/run/docker.sock"
    own = Path(env["XDG_RUNTIME_DIR"]) / PODMAN_SOCKET if env.get("XDG_RUNTIME_DIR") else None
    for path in (own, root / "run" / PODMAN_SOCKET):
        if path is not None and not _is_there(docker) and _is_socket(path):
            return Address(f"unix://{path}", origin="socket of Podman, as there is none of Docker")
    return Address(f"unix://{docker}")


def _is_there(path: Path) -> bool:
    """Whether something has this name; a directory that this user may not search counts as there."""
    try:
        return path.exists()
    except OSError:
        return True


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode) and os.access(path, os.R_OK | os.W_OK)
    except OSError:
        return False


def _from_host(host: str, env: Mapping[str, str], folder: Path) -> Address:
    if not env.get("DOCKER_TLS_VERIFY") and not env.get("DOCKER_TLS"):
        return Address(host, origin="DOCKER_HOST")
    certificates = Path(env.get("DOCKER_CERT_PATH") or folder)
    return Address(
        host,
        ca=_file(certificates / "ca.pem"),
        cert=_file(certificates / "cert.pem"),
        key=_file(certificates / "key.pem"),
        tls=True,
        verify=bool(env.get("DOCKER_TLS_VERIFY")),
        origin="DOCKER_HOST",
    )


def _current_context(folder: Path) -> str:
    file = folder / "config.json"
    return str(_read(file).get("currentContext", "")) if file.exists() else ""


def _from_context(name: str, folder: Path) -> Address:
    digest = hashlib.sha256(name.encode()).hexdigest()
    file = folder / "contexts" / "meta" / digest / "meta.json"
    if not file.exists():
        raise ConfigurationError(
            f"docker context {name!r} does not exist", location=Location(str(file)), hint="see `docker context ls`"
        )
    endpoint = _read(file).get("Endpoints", {}).get("docker", {})
    certificates = folder / "contexts" / "tls" / digest / "docker"
    return Address(
        endpoint.get("Host") or DEFAULT_SOCKET,
        ca=_file(certificates / "ca.pem"),
        cert=_file(certificates / "cert.pem"),
        key=_file(certificates / "key.pem"),
        tls=certificates.exists(),
        verify=not endpoint.get("SkipTLSVerify", False),
        origin=f"docker context {name}",
    )


def _file(path: Path) -> Path | None:
    return path if path.exists() else None


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"cannot read the file: {error}", location=Location(str(file))) from error
    if not isinstance(content, dict):
        raise ConfigurationError("is not a JSON object", location=Location(str(file)))
    return content
