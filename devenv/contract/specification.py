"""What an engine is told to create: networks, volumes and instances, with complete names and all labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from devenv.immutable import immutable
from devenv.model.identity import Project
from devenv.model.stack import Build, Network, Service, Stack, Volume

LABEL_KEY = "devenv.key"
"""Label that an engine adds to a network or volume: its key in the stack file, as ``ObservedObject.key``."""


@immutable(kw_only=True)
class BuildSpec:
    """An image to build and tag; ``secrets`` are contents by the ID that the Dockerfile uses."""

    build: Build
    tag: str
    labels: Mapping[str, str]
    secrets: Mapping[str, bytes] = field(default_factory=dict, repr=False)


@immutable(kw_only=True)
class NetworkSpec:
    """A network to create; ``name`` is the engine's name for it."""

    name: str
    network: Network
    labels: Mapping[str, str]


@immutable(kw_only=True)
class VolumeSpec:
    """A named volume to create; ``name`` is the engine's name for it."""

    name: str
    volume: Volume
    labels: Mapping[str, str]


@immutable(kw_only=True)
class FileContent:
    """A file put into an instance before its start (secrets, configs, Jaeger's configuration)."""

    target: str
    content: bytes
    mode: int = 0o444
    uid: int = 0
    gid: int = 0


ADDED = "/.devenv"
"""The folder in a container that has all that devenv adds."""


@immutable(kw_only=True)
class FileTree:
    """Many files of this machine, put into an instance before its start: read by all, owned by root.

    Attributes:
        target: absolute folder in the instance, such as ``/.devenv/python``.
        files: path below ``target``, and the file on this machine or its content.
        digest: of the files' names and contents, so that new contents replace instances.
    """

    target: str
    files: tuple[tuple[str, Path | bytes], ...] = field(repr=False)
    digest: str


@immutable(kw_only=True)
class InstanceSpec:
    """An instance to create.

    Attributes:
        name: the engine's name for it, unless the service has ``container_name``.
        service: as resolved; its environment is final (tracing variables included).
        image: reference or ID to run; without meaning on an engine without images.
        networks: engine network name by key of the stack.
        volumes: engine volume name by key of the stack.
        network_container: engine ID of the instance whose network is shared (``network_mode: service:x``).
        files: put into it before its start; likewise ``trees``.
        stack: the stack that it belongs to, for an engine that needs the addresses of its peers.
    """

    name: str
    project: Project
    service: Service
    index: int
    labels: Mapping[str, str]
    image: str = ""
    networks: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    network_container: str | None = None
    files: tuple[FileContent, ...] = ()
    trees: tuple[FileTree, ...] = ()
    stack: Stack | None = None
