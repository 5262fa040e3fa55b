"""The specifications that an engine creates objects from, with names, labels, files and environment."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.contract.specification import InstanceSpec, NetworkSpec, VolumeSpec
from devenv.orchestrate.files import files_for
from devenv.orchestrate.instrument import instance_environment, is_traced
from devenv.orchestrate.instrumentation.injection import Injection
from devenv.orchestrate.naming import (
    image_tag,
    instance_labels,
    instance_name,
    network_name,
    project_labels,
    volume_name,
)

if TYPE_CHECKING:
    from devenv.model.stack import Port, Service
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
    tracing = target.tracing.get(name)
    added = tracing.injection if tracing is not None and tracing.injection is not None else Injection()
    fingerprint = target.prints[name]
    mounted = {mount.source or "" for mount in service.mounts if mount.kind == "volume"} & set(stack.volumes)
    return InstanceSpec(
        name=instance_name(project, service, index),
        project=project,
        service=replace(
            _with_process(service, added),
            environment={**environment, **added.environment},
            ports=tuple(_own(port, index) for port in service.ports),
        ),
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
        trees=added.files,
        stack=stack,
    )


def _with_process(service: Service, added: Injection) -> Service:
    """The service with the injection's variables in ``x-devenv.process`` too, whose own come before all others."""
    process = service.x.process
    if process is None or not added.environment:
        return service
    process = process.model_copy(update={"env": {**process.env, **added.environment}})
    return replace(service, x=service.x.model_copy(update={"process": process}))


def _own(port: Port, index: int) -> Port:
    """The port of one instance: each instance has its own of a range of host ports."""
    if port.host is None or port.host_last is None:
        return port
    return replace(port, host=port.host + index - 1, host_last=None)
