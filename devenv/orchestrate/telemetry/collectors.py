"""Collectors of the stack's own: devenv's backend gets a copy of their spans, or the user is told how it would.

A copy of the configuration with one exporter more goes into the container in place of the user's, which is not changed.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from devenv.contract.specification import ADDED
from devenv.errors import StackFileError
from devenv.immutable import immutable
from devenv.model.stack import FileMount, FileSource
from devenv.orchestrate.telemetry.configuration_files import FLAG, Configuration, find_configuration
from devenv.orchestrate.telemetry.configuration_text import merged, overlay, read_configuration, with_exporter
from devenv.orchestrate.telemetry.pipelines import REACHED, Addition, needed_addition
from devenv.orchestrate.telemetry.recognition import host_names, own_telemetry
from devenv.otlp.backend_ports import OTLP_HTTP_PORT

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from devenv.model.stack import Service, Stack
    from devenv.orchestrate.telemetry.recognition import Telemetry

COPY_KEY = "devenv-collector-"
"""Prefix of the key of ``configs`` that has the copy."""

OVERLAY_PATH = f"{ADDED}/collector.json"
"""In the container: what is added to a configuration of several files, or of a directory."""

LEFT = "x-devenv.collector is leave"
_COLLECTORS = frozenset({"collector", "otel-lgtm", "receiver"})
"""Kinds that may have the configuration of an OpenTelemetry Collector."""

_UNREACHABLE_MODES = frozenset({"host", "none", "bridge"})


@immutable(kw_only=True)
class Decision:
    """How devenv's backend stands to one telemetry service of the stack.

    Attributes:
        copied: it runs with a copy of its configuration, or is to.
        reason: why it does not; empty if it does.
        addition: what its configuration lacks, as far as it is known.
        configuration: as the user wrote it, if a copy of it is to be made.
    """

    telemetry: Telemetry
    copied: bool = False
    reason: str = ""
    addition: Addition | None = None
    configuration: Configuration | None = None

    @property
    def passes(self) -> bool:
        """Whether its spans get to devenv's backend."""
        return self.copied or self.reason == REACHED


def decide(stack: Stack, *, containers: bool = True) -> tuple[Decision, ...]:
    """Return the decision for each telemetry service, in the stack's order; the same before and after the copies.

    Args:
        stack: with the trace backend.
        containers: the engine runs containers; the files of processes stay as they are.
    """
    backend = stack.trace_backend
    if backend is None:
        return ()
    found = own_telemetry(stack)
    own = host_names(backend)
    first = [_decide(stack, item, own, containers=containers) for item in found]
    decided = []
    for item in found:  # what one passes on to another one that devenv sees must not come twice
        others = (host_names(stack.services[d.telemetry.service]) for d in first if d.passes and d.telemetry != item)
        decided.append(_decide(stack, item, own.union(*others), containers=containers))
    return tuple(decided)


def with_copies(stack: Stack) -> Stack:
    """Return ``stack`` with the copies of its collectors' configurations, for an engine that runs containers."""
    for decision in decide(stack):
        if decision.configuration is not None and decision.addition is not None:
            stack = _with_copy(stack, decision.telemetry.service, decision.configuration, decision.addition)
    return stack


def _decide(stack: Stack, found: Telemetry, reached: AbstractSet[str], *, containers: bool) -> Decision:
    service = stack.services[found.service]
    if any(mount.source == f"{COPY_KEY}{service.name}" for mount in service.configs):
        return Decision(telemetry=found, copied=True)
    if found.kind not in _COLLECTORS:
        return Decision(telemetry=found, reason="its configuration is not that of an OpenTelemetry Collector")
    configuration = find_configuration(stack, service, found)
    if isinstance(configuration, str):
        return Decision(telemetry=found, reason=configuration)
    try:
        config = merged([read_configuration(file.text, file.name) for file in configuration.files])
    except StackFileError as error:
        return Decision(telemetry=found, reason=f"its configuration cannot be read: {error}")
    addition = needed_addition(config, reached=reached, environment=service.environment)
    if isinstance(addition, str):
        return Decision(telemetry=found, reason=addition)
    reason = _why_no_copy(stack, service, configuration, containers=containers)
    if reason:
        return Decision(telemetry=found, reason=reason, addition=addition)
    return Decision(telemetry=found, copied=True, addition=addition, configuration=configuration)


def _why_no_copy(stack: Stack, service: Service, configuration: Configuration, *, containers: bool) -> str:
    """Why a collector whose configuration can be read gets no copy; empty if it does."""
    if stack.x.collector == "leave":
        return LEFT
    if not containers:
        return "the files of local processes stay as they are"
    if service.network_mode in _UNREACHABLE_MODES:
        return f"it cannot resolve the trace backend's name with network_mode {service.network_mode}"
    if configuration.in_a_line and not _in_place(configuration):
        return "its command is a line of a shell"
    return ""


def _in_place(configuration: Configuration) -> bool:
    """Whether the copy can take the place of the configuration, rather than be added to it."""
    return len(configuration.files) == 1 and configuration.files[0].how != "directory"


def _with_copy(stack: Stack, name: str, configuration: Configuration, addition: Addition) -> Stack:
    service, key = stack.services[name], f"{COPY_KEY}{name}"
    backend = stack.trace_backend
    assert backend is not None  # noqa: S101 - there are decisions only beside a backend; for the type checker
    endpoint = f"http://{backend.name}:{OTLP_HTTP_PORT}"
    first = configuration.files[0]
    mount = FileMount(source=key, target=first.path, mode=0o444)
    configs = service.configs
    if not _in_place(configuration):
        config = merged([read_configuration(file.text, file.name) for file in configuration.files])
        content = json.dumps(overlay(config, addition, endpoint), indent=2)
        mount = replace(mount, target=OVERLAY_PATH)
        given = service.command or (() if configuration.named else (FLAG, first.path))
        service = replace(service, command=(*given, FLAG, OVERLAY_PATH))
    else:
        content = with_exporter(first.text, first.name, addition, endpoint)
        service = replace(service, mounts=tuple(m for m in service.mounts if m.target != first.path))
        kept = [item for item in configs if item.target == first.path]
        configs = tuple(item for item in configs if item.target != first.path)
        mount = replace(kept[0], source=key) if kept else mount
    source = FileSource(key=key, content=content)
    service = replace(service, configs=(*configs, mount))
    return replace(stack, services={**stack.services, name: service}, configs={**stack.configs, key: source})
