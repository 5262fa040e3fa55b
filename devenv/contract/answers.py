"""What an engine answers: facts about itself, progress, exits, output, events and addresses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Literal

from devenv.immutable import immutable


@immutable(kw_only=True)
class EngineInfo:
    """Facts about an engine that answered.

    Attributes:
        remote: its ports are not on this machine's loopback.
        product: the program that answers, if it is another one than the engine's name says (``Podman``).
    """

    name: str
    version: str
    api_version: str = ""
    address: str = ""
    remote: bool = False
    product: str = ""


@immutable(kw_only=True)
class ImageConfig:
    """What an image gives a container that does not set it itself.

    Attributes:
        environment: variables by name.
        command: empty if the image has none; likewise ``entrypoint``.
        ports: that it exposes, such as ``8080/tcp``.
        working_directory: empty: the root.
        healthcheck: test of its ``HEALTHCHECK``; empty if it has none or has it disabled.
        user: empty: root.
        volumes: paths in the container.
    """

    environment: Mapping[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    working_directory: str = ""
    healthcheck: tuple[str, ...] = ()
    user: str = ""
    volumes: tuple[str, ...] = ()


@immutable(kw_only=True)
class Progress:
    """One step of a pull or build; ``done`` and ``total`` in bytes, 0 if unknown."""

    text: str
    done: int = 0
    total: int = 0


ProgressSink = Callable[[Progress], None]


@immutable(kw_only=True)
class ExecResult:
    """Result of a command in an instance; ``output`` is its stdout and stderr, in the order of arrival."""

    exit_code: int
    output: bytes


@immutable(kw_only=True)
class ExitStatus:
    """How an instance ended.

    Attributes:
        exit_code: 137 if it is not known.
        oom_killed: the kernel ended it for the memory.
        error: the engine's own message if the start itself failed.
        lost: why its end was not seen, as a clause that follows the service's name; empty if it was.
    """

    exit_code: int
    oom_killed: bool = False
    error: str = ""
    lost: str = ""


@immutable(kw_only=True)
class LogLine:
    """One line of output, without its line end; ``time`` in seconds since the epoch.

    ``continues``: the text follows that of the line of the same stream before, which had not ended when it was read.
    """

    time: float
    stream: Literal["stdout", "stderr"]
    text: str
    continues: bool = False


@immutable(kw_only=True)
class EngineEvent:
    """A change of one instance of the project; ``action``: start, die, oom, destroy or health_status."""

    time: float
    action: str
    instance_id: str
    service: str
    index: int
    exit_code: int | None = None


@immutable(kw_only=True)
class Endpoint:
    """Address at which this process reaches a port of an instance, and what only that of a trace backend has.

    Attributes:
        token: what it must send as a bearer token.
        storage: the folder on this machine that keeps the traces.
        storage_notices: what is wrong with it.
    """

    host: str
    port: int
    token: str = field(default="", repr=False)
    storage: str = ""
    storage_notices: tuple[str, ...] = ()
