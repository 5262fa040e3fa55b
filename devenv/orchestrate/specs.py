"""The specifications that an engine creates objects from, with names, labels, files and environment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.contract.specification import InstanceSpec, NetworkSpec, VolumeSpec
from devenv.orchestrate.files import files_for
from devenv.orchestrate.instrument import instance_environment, is_traced
from devenv.orchestrate.naming import (
    image_tag,
    instance_labels,
    instance_name,
    network_name,
    project_labels,
    volume_name,
)

if TYPE_CHECKING:
    from devenv.model.stack import Port
    from devenv.orchestrate.target import Target


def network_spec(target: Target, key: str) -> NetworkSpec:
    """Return the specification of the network ``key``."""
    network = target.stack.networks[key]
    wanted = target.networks[key]
    labels = {**network.labels, **project_labels(target.project, target.stack, wanted.digest)}
    return NetworkSpec(name=wanted.name, network=network, labels=labels)


def volume_spec(target: Target, key: str) -> VolumeSpec:
    """Return the specification of the named volume ``key``."""
    volume = target.stack.volumes[key]
    wanted = target.volumes[key]
    labels = {**volume.labels, **project_labels(target.project, target.stack, wanted.digest)}
    return VolumeSpec(name=wanted.name, volume=volume, labels=labels)


def instance_spec(target: Target, name: str, index: int) -> InstanceSpec:
    """Return the specification of instance ``index`` of the service ``name``; it shares no network yet.

    Args:
        target: the target state.
        name: of the service.
        index: from 1.
    """
    project, stack = target.project, target.stack
    service = stack.services[name]
    environment = instance_environment(project, service, index, traced=is_traced(stack, service))
    fingerprint = target.prints[name]
    mounted = {mount.source or "" for mount in service.mounts if mount.kind == "volume"} & set(stack.volumes)
    return InstanceSpec(
        name=instance_name(project, service, index),
        project=project,
        service=replace(service, environment=environment, ports=tuple(_own(port, index) for port in service.ports)),
        index=index,
        labels=instance_labels(
            project, stack, service, index, config_hash=fingerprint.digest, fields=fingerprint.fields
        ),
        image=image_tag(project, service) if service.image or service.build else "",
        networks={
            attachment.network: network_name(project, stack.networks[attachment.network])
            for attachment in service.networks
        },
        volumes={key: volume_name(project, stack.volumes[key]) for key in sorted(mounted)},
        files=files_for(stack, service),
        stack=stack,
    )


def _own(port: Port, index: int) -> Port:
    """The port of one instance: each instance has its own of a range of host ports."""
    if port.host is None or port.host_last is None:
        return port
    return replace(port, host=port.host + index - 1, host_last=None)
