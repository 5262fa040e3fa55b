"""The resolved stack: a Compose file with ``x-devenv`` after merging, interpolation and profiles.

Plain frozen dataclasses, so that commands that need only labels do not import pydantic. Times are in seconds, sizes in
bytes; paths are absolute unless documented otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from devenv.immutable import immutable

if TYPE_CHECKING:
    from devenv.errors import Location
    from devenv.model.extension import ServiceExtension, StackExtension

Condition = Literal["service_started", "service_healthy", "service_completed_successfully"]
Protocol = Literal["tcp", "udp", "sctp"]


@immutable(kw_only=True)
class Port:
    """A published port; if ``host`` is ``None``, the engine chooses; if ``address`` is ``None``, the file has none.

    Attributes:
        host_last: last port of a range from ``host``; the engine uses a free one; ``None``: exactly ``host``.
        app_protocol: application protocol (``http``), for URLs.
        mode: ``host`` publishes on the node of the instance in a cluster, ``ingress`` on all nodes.
    """

    container: int
    host: int | None = None
    address: str | None = None
    protocol: Protocol = "tcp"
    name: str | None = None
    host_last: int | None = None
    app_protocol: str | None = None
    mode: Literal["ingress", "host"] = "ingress"


@immutable(kw_only=True)
class Mount:
    """A volume, bind, tmpfs or image mount.

    Attributes:
        source: volume key of the stack, absolute host path for a bind, name of an image, ``None`` for tmpfs and
            anonymous volumes.
        target: absolute path in the container.
        subpath: directory of the volume or image that is mounted; ``None``: all of it.
        recursive: how a bind mount treats mounts below its source; ``None``: as the engine does by default.
    """

    kind: Literal["volume", "bind", "tmpfs", "image"]
    target: str
    source: str | None = None
    read_only: bool = False
    create_host_path: bool = True
    propagation: str | None = None
    selinux: Literal["z", "Z"] | None = None
    nocopy: bool = False
    tmpfs_size: int | None = None
    tmpfs_mode: int | None = None
    subpath: str | None = None
    recursive: Literal["enabled", "disabled", "writable", "readonly"] | None = None


@immutable(kw_only=True)
class FileMount:
    """A secret or config of a service: a key of ``secrets`` or ``configs`` and its path in the container."""

    source: str
    target: str
    uid: str | None = None
    gid: str | None = None
    mode: int | None = None


@immutable(kw_only=True)
class Healthcheck:
    """A Compose healthcheck; ``test`` starts with ``CMD`` or ``CMD-SHELL``; if it is empty, the image's applies."""

    test: tuple[str, ...] = ()
    interval: float = 30.0
    timeout: float = 30.0
    retries: int = 3
    start_period: float = 0.0
    start_interval: float = 5.0
    disable: bool = False


@immutable(kw_only=True)
class Build:
    """How an image is built; ``context`` is a directory, ``dockerfile`` relative to it unless absolute.

    Attributes:
        secrets: keys of the stack's ``secrets``, each with the ID that the Dockerfile uses as its target.
        ssh: files of keys by ID; the text is empty if the SSH agent of this machine is used.
        entitlements: privileges that steps of the build may use, such as ``security.insecure``.
    """

    context: Path
    dockerfile: str = "Dockerfile"
    dockerfile_inline: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    network: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    cache_from: tuple[str, ...] = ()
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    shm_size: int | None = None
    platforms: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    pull: bool = False
    no_cache: bool = False
    additional_contexts: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[FileMount, ...] = ()
    ssh: Mapping[str, str] = field(default_factory=dict)
    entitlements: tuple[str, ...] = ()
    privileged: bool = False
    ulimits: Mapping[str, Ulimit] = field(default_factory=dict)
    no_cache_filter: tuple[str, ...] = ()


@immutable(kw_only=True)
class Hook:
    """A command that runs in an instance right after its start (``post_start``) or before its stop (``pre_stop``).

    Attributes:
        user: name or ID; empty: the service's, likewise ``working_dir``.
        environment: in addition to the service's.
    """

    command: tuple[str, ...]
    user: str = ""
    privileged: bool = False
    working_dir: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@immutable(kw_only=True)
class Dependency:
    """One entry of ``depends_on``."""

    service: str
    condition: Condition = "service_started"
    restart: bool = False
    required: bool = True


@immutable(kw_only=True)
class Attachment:
    """A service's connection to one network of the stack.

    Attributes:
        priority: networks are connected in its order, the highest first.
        gw_priority: the network with the highest one has the default route.
        interface_name: name of the interface in the container.
    """

    network: str
    aliases: tuple[str, ...] = ()
    ipv4_address: str | None = None
    ipv6_address: str | None = None
    mac_address: str | None = None
    priority: int = 0
    gw_priority: int = 0
    interface_name: str | None = None
    link_local_ips: tuple[str, ...] = ()
    driver_opts: Mapping[str, str] = field(default_factory=dict)


@immutable(kw_only=True)
class Restart:
    """Restart policy; ``maximum`` applies to ``on-failure`` only; ``None`` is unlimited."""

    policy: Literal["no", "always", "on-failure", "unless-stopped"] = "no"
    maximum: int | None = None


@immutable(kw_only=True)
class Ulimit:
    """Soft and hard limit of one resource."""

    soft: int
    hard: int


@immutable(kw_only=True)
class Logging:
    """A log driver of the engine, with its options."""

    driver: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@immutable(kw_only=True)
class Service:
    """One service of the stack.

    Attributes:
        image: name to run, pull or tag; ``None`` if only ``build`` is given.
        command: argument list; ``None``: the image's; empty: explicitly none.
        environment: complete, ``env_file`` included, without the variables that have no value here or in the shell.
        networks: at least one entry unless ``network_mode`` is given.
        location: the service's place in its file.
        x: its ``x-devenv``.
        pull_policy: ``always``, ``missing``, ``never``, ``build``, or how often: ``daily``, ``weekly``, ``every_12h``.
        pull_after: seconds after which the image is pulled again; ``None``: never.
        attach: whether its output is shown where a tool shows that of all services.
        develop: in Compose's long form; nothing acts on it.
        options: the further keys of the file on which only the engine acts, in Compose's long form.
        tracing_places: where its ``OTEL_*`` variables are set, for those that a file sets.
        process_places: where the keys of its ``x-devenv.process`` are.
    """

    name: str
    x: ServiceExtension
    location: Location
    image: str | None = None
    build: Build | None = None
    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[Port, ...] = ()
    expose: tuple[int, ...] = ()
    mounts: tuple[Mount, ...] = ()
    networks: tuple[Attachment, ...] = ()
    network_mode: str | None = None
    depends_on: tuple[Dependency, ...] = ()
    healthcheck: Healthcheck | None = None
    restart: Restart = Restart()
    container_name: str | None = None
    hostname: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()
    secrets: tuple[FileMount, ...] = ()
    configs: tuple[FileMount, ...] = ()
    replicas: int = 1
    cpus: float | None = None
    memory: int | None = None
    pids_limit: int | None = None
    logging: Logging | None = None
    init: bool = False
    user: str | None = None
    working_dir: str | None = None
    stop_signal: str | None = None
    stop_grace_period: float = 10.0
    ulimits: Mapping[str, Ulimit] = field(default_factory=dict)
    read_only: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    extra_hosts: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None
    pull_policy: str = "missing"
    pull_after: float | None = None
    dns: tuple[str, ...] = ()
    pid: str | None = None
    security_opt: tuple[str, ...] = ()
    shm_size: int | None = None
    stdin_open: bool = False
    tty: bool = False
    attach: bool = True
    post_start: tuple[Hook, ...] = ()
    pre_stop: tuple[Hook, ...] = ()
    develop: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    tracing_places: Mapping[str, Location] = field(default_factory=dict, compare=False)
    process_places: Mapping[str, Location] = field(default_factory=dict, compare=False)

    @property
    def container_ports(self) -> tuple[int, ...]:
        """TCP ports on which the service listens according to the file, published ones first, without repeats."""
        published = [port.container for port in self.ports if port.protocol == "tcp"]
        return tuple(dict.fromkeys([*published, *self.expose]))

    @property
    def host_names(self) -> tuple[str, ...]:
        """Names under which other services reach this one on its networks, its own first, without repeats."""
        aliases = (alias for attachment in self.networks for alias in attachment.aliases)
        return tuple(dict.fromkeys(filter(None, (self.name, self.hostname, self.container_name, *aliases))))


@immutable(kw_only=True)
class AddressPool:
    """A subnet of a network, with the gateway, the range for containers and the reserved addresses, all as text."""

    subnet: str
    gateway: str | None = None
    ip_range: str | None = None
    aux_addresses: Mapping[str, str] = field(default_factory=dict)


@immutable(kw_only=True)
class Network:
    """A network of the stack; ``name`` is set if it is external or the file has one.

    Attributes:
        pools: from ``ipam.config``; empty: the engine chooses.
        ipam_driver: ``None`` for the engine's default.
    """

    key: str
    name: str | None = None
    external: bool = False
    driver: str | None = None
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False
    attachable: bool = False
    enable_ipv4: bool = True
    enable_ipv6: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    pools: tuple[AddressPool, ...] = ()
    ipam_driver: str | None = None
    ipam_options: Mapping[str, str] = field(default_factory=dict)


@immutable(kw_only=True)
class Volume:
    """A named volume of the stack; ``name`` is set if it is external or the file has one."""

    key: str
    name: str | None = None
    external: bool = False
    driver: str | None = None
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)


@immutable(kw_only=True)
class FileSource:
    """A secret or config of the stack: exactly one of ``file``, ``environment`` (a variable's name) and ``content``.

    Attributes:
        value: the variable's value when the stack was loaded, ``.env`` included; ``None`` if it is not set.
    """

    key: str
    file: Path | None = None
    environment: str | None = None
    content: str | None = None
    value: str | None = field(default=None, repr=False)


@immutable(kw_only=True)
class StackWarning:
    """Something in the file that devenv ignores."""

    message: str
    location: Location


@immutable(kw_only=True)
class Stack:
    """A whole stack, with only the services whose profiles are active.

    Attributes:
        name: the file's ``name:`` or ``None``; part of the identity, see :func:`devenv.model.identity.identify`.
        directory: the directory of the first file; relative paths in the files are resolved against it.
        files: in the order in which they were merged.
        inactive: names of the services left out, because none of their profiles is active.
    """

    name: str | None
    directory: Path
    files: tuple[Path, ...]
    services: Mapping[str, Service]
    x: StackExtension
    networks: Mapping[str, Network] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    secrets: Mapping[str, FileSource] = field(default_factory=dict)
    configs: Mapping[str, FileSource] = field(default_factory=dict)
    inactive: tuple[str, ...] = ()
    warnings: tuple[StackWarning, ...] = ()

    @property
    def trace_backend(self) -> Service | None:
        """The trace backend: by its ``role``, else by its image; ``None`` if the stack has none and devenv adds one."""
        declared = [service for service in self.services.values() if service.x.role == "trace-backend"]
        by_image = [service for service in self.services.values() if _is_jaeger(service.image)]
        return next(iter([*declared, *by_image]), None)


def _is_jaeger(image: str | None) -> bool:
    """Whether ``image`` is Jaeger (v2 or the v1 all-in-one), from any registry and with any tag."""
    if image is None:
        return False
    repository = image.split("@")[0]
    last = repository.rsplit("/", 1)[-1].split(":")[0]
    owner = repository.rsplit("/", 2)[-2] if "/" in repository else ""
    return (owner, last) in {("jaegertracing", "jaeger"), ("jaegertracing", "all-in-one")}
