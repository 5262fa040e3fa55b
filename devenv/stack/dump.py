"""Dumps a resolved stack in Compose's canonical long form (`devenv config`); loading the dump gives the same stack."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from devenv.model.extension import Strict
from devenv.model.stack import (
    AddressPool,
    Attachment,
    Build,
    FileMount,
    FileSource,
    Healthcheck,
    Mount,
    Network,
    Port,
    Restart,
    Service,
    Stack,
    Ulimit,
    Volume,
)
from devenv.stack.readers.hooks import hook_document
from devenv.stack.yaml.scalars import resolve

_DURATIONS = ((3600, "h"), (60, "m"), (1, "s"))


def dump(stack: Stack) -> dict[str, Any]:
    """Return ``stack`` as plain data; secrets in the environment are included unchanged.

    A ``$`` in a value is literal; :func:`yaml_text` doubles it, so that its text is a stack file again.
    """
    document: dict[str, Any] = {"name": stack.name} if stack.name else {}
    extension = _extension(stack.x)
    document |= {"x-devenv": extension} if extension else {}
    document["services"] = {name: _service(service) for name, service in sorted(stack.services.items())}
    document["networks"] = {key: _network(network) for key, network in sorted(stack.networks.items())}
    document["volumes"] = {key: _resource(volume) for key, volume in sorted(stack.volumes.items())}
    document["secrets"] = {key: _source(source) for key, source in sorted(stack.secrets.items())}
    document["configs"] = {key: _source(source) for key, source in sorted(stack.configs.items())}
    return {key: value for key, value in document.items() if value or key == "services"}


def yaml_text(document: dict[str, Any]) -> str:
    """Return what :func:`dump` returned as the text of a stack file."""
    text: str = yaml.dump(
        _escaped(document),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=False,
        width=10**6,
    )
    return text


class _Dumper(yaml.SafeDumper):
    """Quotes text that a reader of YAML 1.1 or 1.2 would read as another type."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "'" if not isinstance(resolve(text), str) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, Mapping):
        return {key: _escaped(member) for key, member in value.items()}
    return [_escaped(item) for item in value] if isinstance(value, list | tuple) else value


def _given(**values: Any) -> dict[str, Any]:
    """The values that are not ``None``, empty or ``False``; tuples as lists and paths as text."""
    return {
        name: _simple(value)
        for name, value in values.items()
        if not (value is None or value is False or _is_empty(value))
    }


def _is_empty(value: Any) -> bool:
    return isinstance(value, str | tuple | list | Mapping) and not value


def _simple(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def _extension(model: Strict) -> dict[str, Any]:
    return model.model_dump(mode="json", exclude_unset=True)


def duration_text(seconds: float) -> str:
    """Return a duration as Compose writes it: ``1m30s``, ``500ms``."""
    if seconds != int(seconds):
        milliseconds = seconds * 1000
        return f"{milliseconds:g}ms" if milliseconds == int(milliseconds) else f"{seconds * 1_000_000:.0f}us"
    rest, text = int(seconds), ""
    for length, unit in _DURATIONS:
        count, rest = divmod(rest, length)
        text += f"{count}{unit}" if count or text or unit == "s" else ""
    return text


def _service(service: Service) -> dict[str, Any]:
    result = _given(
        build=_build(service.build) if service.build else None,
        cap_add=service.cap_add,
        cap_drop=service.cap_drop,
        configs=[_file_mount(mount) for mount in service.configs],
        container_name=service.container_name,
        depends_on={
            dependency.service: {"condition": dependency.condition}
            | ({"restart": True} if dependency.restart else {})
            | {"required": dependency.required}
            for dependency in service.depends_on
        },
        deploy=_deploy(service),
        dns=service.dns,
        environment=dict(service.environment),
        expose=[str(port) for port in service.expose],
        extra_hosts=_hosts(service.extra_hosts),
        healthcheck=_healthcheck(service.healthcheck) if service.healthcheck else None,
        hostname=service.hostname,
        image=service.image,
        init=service.init,
        labels=dict(service.labels),
        logging=_given(driver=service.logging.driver, options=dict(service.logging.options))
        if service.logging
        else None,
        network_mode=service.network_mode,
        networks={attachment.network: _attachment(attachment) for attachment in service.networks},
        pid=service.pid,
        platform=service.platform,
        ports=[_port(port) for port in service.ports],
        privileged=service.privileged,
        profiles=service.profiles,
        post_start=[hook_document(hook) for hook in service.post_start],
        pre_stop=[hook_document(hook) for hook in service.pre_stop],
        pull_policy=service.pull_policy if service.pull_policy != "missing" else None,
        read_only=service.read_only,
        restart=_restart(service.restart),
        secrets=[_file_mount(mount) for mount in service.secrets],
        security_opt=service.security_opt,
        shm_size=str(service.shm_size) if service.shm_size else None,
        stdin_open=service.stdin_open,
        stop_grace_period=duration_text(service.stop_grace_period) if service.stop_grace_period != 10.0 else None,
        stop_signal=service.stop_signal,
        tty=service.tty,
        ulimits=_ulimits(service.ulimits),
        user=service.user,
        volumes=[_mount(mount) for mount in service.mounts],
        working_dir=service.working_dir,
    )
    # An empty command means "none", which differs from an absent one.
    commands = {"command": service.command, "entrypoint": service.entrypoint}
    result |= {name: list(value) for name, value in commands.items() if value is not None}
    result |= {"develop": dict(service.develop)} if service.develop else {}
    result |= {name: value for name, value in service.options.items() if name != "reserved_devices"} | (
        {} if service.attach else {"attach": False}
    )
    extension = _extension(service.x)
    return result | ({"x-devenv": extension} if extension else {})


def _build(build: Build) -> dict[str, Any]:
    return _given(
        context=build.context,
        dockerfile=None if build.dockerfile_inline else build.dockerfile,
        dockerfile_inline=build.dockerfile_inline,
        args=dict(build.args),
        target=build.target,
        network=build.network,
        labels=dict(build.labels),
        cache_from=build.cache_from,
        extra_hosts=_hosts(build.extra_hosts),
        shm_size=str(build.shm_size) if build.shm_size else None,
        platforms=build.platforms,
        tags=build.tags,
        pull=build.pull,
        no_cache=build.no_cache,
        additional_contexts=dict(build.additional_contexts),
        secrets=[_build_secret(mount) for mount in build.secrets],
        ssh=[f"{name}={path}" if path else name for name, path in build.ssh.items()],
        entitlements=build.entitlements,
        privileged=build.privileged,
        ulimits=_ulimits(build.ulimits),
        no_cache_filter=build.no_cache_filter,
    )


def _build_secret(mount: FileMount) -> dict[str, Any]:
    written = _file_mount(mount)
    if mount.target == mount.source:
        del written["target"]
    return written


def _ulimits(ulimits: Mapping[str, Ulimit]) -> dict[str, Any]:
    return {name: {"soft": limit.soft, "hard": limit.hard} for name, limit in ulimits.items()}


def _deploy(service: Service) -> dict[str, Any]:
    limits = _given(
        cpus=service.cpus,
        memory=str(service.memory) if service.memory is not None else None,
        pids=service.pids_limit,
    )
    reservations = _given(devices=service.options.get("reserved_devices"))
    return _given(
        replicas=service.replicas if service.replicas != 1 else None,
        resources=_given(limits=limits, reservations=reservations),
    )


def _healthcheck(healthcheck: Healthcheck) -> dict[str, Any]:
    if healthcheck.disable:
        return {"disable": True}
    return _given(
        test=healthcheck.test,
        interval=duration_text(healthcheck.interval),
        timeout=duration_text(healthcheck.timeout),
        retries=healthcheck.retries,
        start_period=duration_text(healthcheck.start_period),
        start_interval=duration_text(healthcheck.start_interval),
    )


def _restart(restart: Restart) -> str | None:
    if restart.policy == "on-failure" and restart.maximum is not None:
        return f"on-failure:{restart.maximum}"
    return None if restart.policy == "no" else restart.policy


def _port(port: Port) -> dict[str, Any]:
    published = None if port.host is None else str(port.host)
    return _given(
        name=port.name,
        mode=port.mode,
        host_ip=port.address,
        target=port.container,
        published=f"{published}-{port.host_last}" if port.host_last else published,
        protocol=port.protocol,
        app_protocol=port.app_protocol,
    )


def _mount(mount: Mount) -> dict[str, Any]:
    bind = _given(propagation=mount.propagation, selinux=mount.selinux, recursive=mount.recursive)
    if mount.kind == "bind":
        bind["create_host_path"] = mount.create_host_path
    return _given(
        type=mount.kind,
        source=mount.source,
        target=mount.target,
        read_only=mount.read_only,
        bind=bind,
        volume=_given(nocopy=mount.nocopy, subpath=mount.subpath if mount.kind == "volume" else None),
        image=_given(subpath=mount.subpath if mount.kind == "image" else None),
        tmpfs=_given(
            size=str(mount.tmpfs_size) if mount.tmpfs_size is not None else None,
            mode=f"0{mount.tmpfs_mode:o}" if mount.tmpfs_mode is not None else None,
        ),
    )


def _attachment(attachment: Attachment) -> dict[str, Any] | None:
    return (
        _given(
            aliases=attachment.aliases,
            ipv4_address=attachment.ipv4_address,
            ipv6_address=attachment.ipv6_address,
            mac_address=attachment.mac_address,
            priority=attachment.priority or None,
            gw_priority=attachment.gw_priority or None,
            interface_name=attachment.interface_name,
            link_local_ips=attachment.link_local_ips,
            driver_opts=dict(attachment.driver_opts),
        )
        or None
    )


def _file_mount(mount: FileMount) -> dict[str, Any]:
    mode = f"0{mount.mode:o}" if mount.mode is not None else None
    return _given(source=mount.source, target=mount.target, uid=mount.uid, gid=mount.gid, mode=mode)


def _resource(resource: Network | Volume) -> dict[str, Any]:
    return _given(
        name=resource.name,
        external=resource.external,
        driver=resource.driver,
        driver_opts=dict(resource.driver_opts),
        labels=dict(resource.labels),
    )


def _network(network: Network) -> dict[str, Any]:
    ipam = _given(
        driver=network.ipam_driver,
        config=[_pool(pool) for pool in network.pools],
        options=dict(network.ipam_options),
    )
    return (
        _resource(network)
        | _given(internal=network.internal, attachable=network.attachable, enable_ipv6=network.enable_ipv6, ipam=ipam)
        | ({} if network.enable_ipv4 else {"enable_ipv4": False})
    )


def _pool(pool: AddressPool) -> dict[str, Any]:
    return _given(
        subnet=pool.subnet, gateway=pool.gateway, ip_range=pool.ip_range, aux_addresses=dict(pool.aux_addresses)
    )


def _hosts(hosts: Mapping[str, str]) -> dict[str, str | list[str]]:
    return {name: addresses.split(",") if "," in addresses else addresses for name, addresses in hosts.items()}


def _source(source: FileSource) -> dict[str, Any]:
    return _given(file=source.file, environment=source.environment, content=source.content)
