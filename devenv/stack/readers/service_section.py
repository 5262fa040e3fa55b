"""Reads one service of a merged, canonical document into :class:`devenv.model.stack.Service`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar, cast

from devenv.model.extension import ServiceExtension
from devenv.model.stack import Condition, Dependency, Service
from devenv.stack.readers import keys
from devenv.stack.readers.build_section import read_build
from devenv.stack.readers.context import Context
from devenv.stack.readers.cursor import EXTENSION, Cursor, Fields
from devenv.stack.readers.development import read_develop
from devenv.stack.readers.engine_options import linked, read_options, shared_service
from devenv.stack.readers.execution import (
    read_command,
    read_deploy,
    read_healthcheck,
    read_limits,
    read_logging,
    read_replicas,
    read_restart,
    read_ulimits,
    reserved_devices,
)
from devenv.stack.readers.hooks import read_hooks
from devenv.stack.readers.networking import read_expose, read_hosts, read_networks, read_ports
from devenv.stack.readers.service_environment import read_environment, read_labels, tracing_places
from devenv.stack.readers.storage import read_files, read_mounts
from devenv.stack.readers.x_devenv import places, read_extension
from devenv.stack.yaml.nodes import MapNode, is_failed, is_null
from devenv.suggestions import suggest

Number = TypeVar("Number", int, float)

_NAME = re.compile(r"[a-zA-Z0-9._-]+")
_CONTAINER_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_CONDITIONS = ("service_started", "service_healthy", "service_completed_successfully")
_PULL_POLICIES = ("always", "missing", "if_not_present", "never", "build", "daily", "weekly")
_PULL_AFTER = {"daily": "1d", "weekly": "1w"}
_EVERY = re.compile(r"every_((?:\d+[wdhms])+)", re.ASCII)
_UNIT_S = {"w": 7 * 86400.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def read_service(name: str, member: Cursor, context: Context) -> Service | None:
    """Return the service, or ``None`` if it is not a mapping."""
    if not _NAME.fullmatch(name):
        member.error(f"{name!r} is not a valid service name", found=name, expected="letters, digits and . _ -")
    if not isinstance(member.node, MapNode):
        member.wrong("a mapping with image or build")
        return None
    fields = member.fields(keys.SERVICE, refused=keys.SERVICE_REFUSED, extension=True)
    x = read_extension(fields.get(EXTENSION), ServiceExtension)
    if not fields.get("image") and not fields.get("build") and x.process is None and not _explained(fields):
        expected = "image, build or x-devenv.process"
        message = f"service {name} has no image, build or x-devenv.process"
        context.problems.add(message, member.place, key=member.key, expected=expected)
    return _service(name, fields, x, context)


def _explained(fields: Fields) -> bool:
    """Whether another problem explains the missing image and build: an unknown key, or a wrong value of one of them."""
    known = {*keys.SERVICE, *keys.SERVICE_REFUSED} - {"provider"}
    return any(
        is_failed(member.node) if name in ("image", "build") else name not in known and not name.startswith("x-")
        for name, member in fields.members.items()
    )


def _service(name: str, fields: Fields, x: ServiceExtension, context: Context) -> Service:
    deploy = read_deploy(fields)
    limits = read_limits(deploy)
    cpus = _limit(fields, limits, "cpus", "cpus", Cursor.number)
    memory = _limit(fields, limits, "mem_limit", "memory", Cursor.size)
    pids = limits.integer("pids", -1)
    policy, pull_after = _pull_policy(fields)
    return Service(
        name=name,
        x=x,
        location=fields.cursor.place,
        image=fields.text("image"),
        build=read_build(fields, context),
        command=read_command(fields, "command"),
        entrypoint=read_command(fields, "entrypoint"),
        environment=read_environment(fields, context),
        ports=read_ports(fields),
        expose=read_expose(fields),
        mounts=read_mounts(fields, context),
        networks=read_networks(fields),
        network_mode=_network_mode(fields),
        depends_on=_dependencies(fields),
        healthcheck=read_healthcheck(fields),
        restart=read_restart(fields, deploy),
        container_name=_container_name(fields),
        hostname=fields.text("hostname"),
        labels=read_labels(fields, context),
        profiles=fields.texts("profiles"),
        secrets=read_files(fields, "secrets"),
        configs=read_files(fields, "configs"),
        replicas=read_replicas(fields, deploy),
        cpus=cpus,
        memory=memory,
        pids_limit=pids if pids is not None else fields.integer("pids_limit", -1),
        logging=read_logging(fields),
        init=fields.flag("init"),
        user=fields.text("user"),
        working_dir=fields.text("working_dir"),
        stop_signal=fields.text("stop_signal"),
        stop_grace_period=fields.duration("stop_grace_period", 10.0),
        ulimits=read_ulimits(fields),
        read_only=fields.flag("read_only"),
        cap_add=fields.texts("cap_add"),
        cap_drop=fields.texts("cap_drop"),
        privileged=fields.flag("privileged"),
        extra_hosts=read_hosts(fields),
        platform=fields.text("platform"),
        pull_policy=policy,
        pull_after=pull_after,
        dns=fields.texts("dns"),
        pid=_pid(fields),
        security_opt=fields.texts("security_opt"),
        shm_size=fields.size("shm_size"),
        stdin_open=fields.flag("stdin_open"),
        tty=fields.flag("tty"),
        attach=fields.flag("attach", default=True),
        post_start=read_hooks(fields, "post_start", context),
        pre_stop=read_hooks(fields, "pre_stop", context),
        develop=read_develop(fields, context),
        options=read_options(fields) | reserved_devices(deploy),
        tracing_places=tracing_places(fields, context),
        process_places=places(fields.get(EXTENSION), "process"),
    )


def _limit(
    fields: Fields, limits: Fields, short: str, long: str, read: Callable[[Cursor], Number | None]
) -> Number | None:
    """A limit from ``deploy.resources.limits`` or the service's own key; their values must not differ."""
    own, deployed = fields.get(short), limits.get(long)
    value = read(own) if own else None
    other = read(deployed) if deployed else None
    if own is not None and value is not None and other is not None and value != other:
        own.error(f"{short} and deploy.resources.limits.{long} differ", hint="remove one of the two")
    return other if deployed else value


def _network_mode(fields: Fields) -> str | None:
    member, text = fields.get("network_mode"), fields.text("network_mode")
    if member is None or text is None:
        return None
    kind, _, target = text.partition(":")
    if text in ("none", "host", "bridge") or (kind in ("service", "container") and target):
        return text
    member.error(
        f"{member.key} must be none, host, bridge, service:NAME or container:NAME",
        expected="none, host, bridge, service:NAME, container:NAME",
        hint="to join a network, use networks:",
    )
    return None


def _pid(fields: Fields) -> str | None:
    member, text = fields.get("pid"), fields.text("pid")
    if member is None or text is None:
        return None
    kind, _, target = text.partition(":")
    if text != "host" and not (kind in ("service", "container") and target):
        member.error(f"{member.key} must be host, service:NAME or container:NAME", expected="host, service:NAME")
        return None
    return text


def _container_name(fields: Fields) -> str | None:
    member, text = fields.get("container_name"), fields.text("container_name")
    if member is not None and text is not None and not _CONTAINER_NAME.fullmatch(text):
        member.error(f"{text!r} is not a valid container name", expected="letters, digits and _ . -, two or more")
    return text


def _pull_policy(fields: Fields) -> tuple[str, float | None]:
    """The policy, and after how many seconds an image is pulled again."""
    member, text = fields.get("pull_policy"), fields.text("pull_policy")
    if member is None or text is None:
        return "missing", None
    every = _EVERY.fullmatch(text)
    if every is None and text not in _PULL_POLICIES:
        allowed = ", ".join(_PULL_POLICIES)
        member.wrong(f"one of {allowed}, every_DURATION such as every_12h", hint=suggest(text, _PULL_POLICIES))
        return "missing", None
    duration = every[1] if every else _PULL_AFTER.get(text)
    if duration is None:
        return ("missing" if text == "if_not_present" else text), None
    return text, sum(float(number) * _UNIT_S[unit] for number, unit in re.findall(r"(\d+)(\w)", duration))


def _dependencies(fields: Fields) -> tuple[Dependency, ...]:
    """``depends_on``, and the services that this one links to, or shares a namespace or volumes with."""
    dependencies = {name: _dependency(name, member) for name, member in fields.each("depends_on").items()}
    modes = (fields.text(name) for name in ("network_mode", "pid", "ipc"))
    further = [target for text in modes if (target := shared_service(text))]
    further += [linked(item.text() or "")[0] for item in fields.items("links")]
    for target in further:
        dependencies.setdefault(target, Dependency(service=target, restart=True))
    for text in (item.text() or "" for item in fields.items("volumes_from")):
        target = text.partition(":")[0]
        if not text.startswith("container:"):
            dependencies.setdefault(target, Dependency(service=target))
    return tuple(dependencies.values())


def _dependency(name: str, member: Cursor) -> Dependency:
    if is_null(member.node):
        return Dependency(service=name)
    fields = member.fields(("condition", "restart", "required"))
    condition = fields.choice("condition", _CONDITIONS) or "service_started"
    return Dependency(
        service=name,
        condition=cast("Condition", condition),
        restart=fields.flag("restart"),
        required=fields.flag("required", default=True),
    )
