"""Databases, caches and brokers by their image: run from the servers that are installed on this machine.

The data is below ``.devenv/``; no server of the system is touched. The scripts beside this module start them.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.immutable import immutable
from devenv.model.extension import Process
from devenv.orchestrate.derivation.outcome import Derived, Missing

if TYPE_CHECKING:
    from devenv.model.stack import Service
    from devenv.orchestrate.derivation.outcome import Machine
    from devenv.orchestrate.derivation.places import Places

FIRST_START = 60.0
"""Seconds that a server may take to make its data on a busy machine; the image of a database often has made a part."""
SCRIPTS = Path(__file__).parent / "scripts"
_INIT = "/docker-entrypoint-initdb.d"
_FIRST_NODE_PORT, _NODE_PORTS = 12_000, 4_000
"""Ports of RabbitMQ's own protocol and of its name server: the same each time, so that its tools find them."""


@immutable(kw_only=True)
class ServerKind:
    """A kind of server.

    Attributes:
        images: names of its images, without owner and tag.
        program: that starts it; ``package`` is Debian's.
        port: of its container.
        data: directories of the container with its data.
    """

    name: str
    images: frozenset[str]
    program: str
    package: str
    port: int
    data: tuple[str, ...]
    script: str
    variable: str = "PORT"
    signal: str = ""


_KINDS = (
    ServerKind(
        name="PostgreSQL",
        images=frozenset({"postgres", "postgis", "pgvector", "timescaledb"}),
        program="postgres",
        package="postgresql",
        port=5432,
        data=("/var/lib/postgresql/data", "/var/lib/postgresql"),
        script="postgres.sh",
        variable="PGPORT",
        signal="SIGINT",
    ),
    ServerKind(
        name="MariaDB",
        images=frozenset({"mariadb", "mysql"}),
        program="mariadbd",
        package="mariadb-server",
        port=3306,
        data=("/var/lib/mysql",),
        script="mariadb.sh",
        variable="MYSQL_TCP_PORT",
    ),
    ServerKind(
        name="Redis",
        images=frozenset({"redis", "valkey", "redis-stack-server"}),
        program="redis-server",
        package="redis-server",
        port=6379,
        data=("/data",),
        script="redis.sh",
    ),
    ServerKind(
        name="RabbitMQ",
        images=frozenset({"rabbitmq"}),
        program="rabbitmq-server",
        package="rabbitmq-server",
        port=5672,
        data=("/var/lib/rabbitmq", "/var/lib/rabbitmq/mnesia"),
        script="rabbitmq.sh",
        variable="RABBITMQ_NODE_PORT",
    ),
)


def derive_server(service: Service, image: str, places: Places, machine: Machine) -> Derived | Missing | None:
    """Return how a server is run for ``service``; ``None`` if its image is not that of a known one.

    Args:
        service: without ``x-devenv.process``.
        image: that it runs, or that its Dockerfile starts from.
        places: the files of its image.
        machine: this machine.
    """
    name, tag = _parts(image)
    kind = next((kind for kind in _KINDS if name in kind.images), None)
    if kind is None:
        return None
    folder = _folder(kind, tag, machine)
    if folder is None:
        return Missing(
            reason=f"the program {kind.program} is not installed on this machine",
            remedy=f"install {kind.name} (Debian's package is {kind.package}); its own service need not run",
        )
    data, note = _data(service, kind, machine.state)
    words = _options(service, kind, places)
    scripts = tuple(str(path) for path in _init_files(service, places))
    program = f"{folder}/{kind.program}"
    arguments: tuple[str, ...] = (str(data), program, *words)
    env = {"PATH": f"{folder}:{machine.path}"}
    if kind.name == "PostgreSQL":
        arguments = (str(data), folder, str(len(scripts)), *scripts, *words)
        env["PGHOST"] = "127.0.0.1"
    elif kind.name == "MariaDB":
        arguments = (str(data), program, str(len(scripts)), *scripts, *words)
        env["MYSQL_UNIX_PORT"] = _socket(data)
    elif kind.name == "RabbitMQ":
        arguments = (str(data), program, *_management(service, tag))
        env |= _node(service, data)
    process = Process(
        command=("sh", str(SCRIPTS / kind.script), *arguments),
        env=env,
        port_env=kind.variable,
        port=kind.port,
        same_port=True,
    )
    shown = _shown(data, machine.state)
    line = f"{service.name}: {kind.name} of this machine ({program}) for {image}, with its data in {shown}"
    return Derived(
        process=process,
        line=f"{line}; {note}" if note else line,
        ports=() if kind.port in service.container_ports else (kind.port,),
        listens=True,
        stop_signal=kind.signal,
        start_period=FIRST_START,
    )


def _parts(image: str) -> tuple[str, str]:
    """Name without owner, and tag: ``postgres`` and ``16-alpine``."""
    last = image.partition("@")[0].rpartition("/")[2].lower()
    name, _, tag = last.partition(":")
    return name, tag


def _folder(kind: ServerKind, tag: str, machine: Machine) -> str | None:
    """The directory of the program: that of the tag's version if there is one, else the newest."""
    folders = machine.folders(kind.program)
    version = re.match(r"(?:pg)?(\d+)", tag)
    same = (folder for folder in folders if version and f"/{version[1]}/" in folder)
    return next(same, next(iter(folders), None))


def _data(service: Service, kind: ServerKind, state: Path) -> tuple[Path, str]:
    """Where the data is: a named volume's stays at ``down``, other data belongs to the service until then."""
    for mount in service.mounts:
        if mount.target.rstrip("/") in kind.data and mount.kind == "volume" and mount.source:
            return state / "volumes" / mount.source, ""
        if mount.target.rstrip("/") in kind.data and mount.kind == "bind":
            return state / "servers" / service.name, f"{mount.target} is not that of the stack file"
    return state / "servers" / service.name, ""


def _socket(data: Path) -> str:
    """A Unix socket beside the data, as far as its path may be one: 107 characters."""
    path = str(data.parent / f"{data.name}.sock")
    return path if len(path.encode()) <= 107 else ""


def _shown(data: Path, state: Path) -> str:
    return f"{state.name}/{data.relative_to(state)}"


def _options(service: Service, kind: ServerKind, places: Places) -> tuple[str, ...]:
    """The options in the service's command, with files of the container led to this machine."""
    if kind.name == "RabbitMQ":
        return ()
    words = service.command or ()
    names = {kind.program, "mysqld", "valkey-server", "docker-entrypoint.sh"}
    while words and words[0].rpartition("/")[2] in names:
        words = words[1:]
    return tuple(str(places.find(word) or word) if word.startswith("/") else word for word in words)


def _init_files(service: Service, places: Places) -> Iterable[Path]:
    """The scripts that the image runs once, sorted by name as it does."""
    found: dict[str, Path] = {}
    if (folder := places.find(_INIT)) is not None and folder.is_dir():
        found |= {path.name: path for path in folder.iterdir() if path.is_file()}
    for mount in service.mounts:
        if mount.kind == "bind" and mount.source and mount.target.startswith(f"{_INIT}/"):
            found[mount.target.rpartition("/")[2]] = Path(mount.source)
    for copy in places.recipe.image.copies if places.recipe else ():
        if copy.destination.startswith(_INIT) and not copy.stage:
            sources = (places.context / source.lstrip("/") for source in copy.sources)
            found |= {path.name: path for path in sources if path.is_file()}
    return [found[name] for name in sorted(found)]


def _management(service: Service, tag: str) -> tuple[str, ...]:
    published = next((port.host for port in service.ports if port.container == 15672 and port.host), None)
    return (str(published),) if "management" in tag and published else ()


def _node(service: Service, data: Path) -> dict[str, str]:
    """The variables by which RabbitMQ's own tools find the node, too."""
    first = _FIRST_NODE_PORT + zlib.crc32(str(data).encode()) % _NODE_PORTS
    return {
        "HOME": str(data),
        "RABBITMQ_NODENAME": f"{service.name}@localhost",
        "RABBITMQ_DIST_PORT": str(first),
        "ERL_EPMD_PORT": str(first + _NODE_PORTS),
    }
