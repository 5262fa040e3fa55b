"""Decides what a collector's configuration needs so that each of its spans reaches devenv's backend once.

The exporter is added to the trace pipelines if that is enough. It is not if two of them have a receiver in common, if
one passes its spans on to another one by a connector, or if a processor drops spans: then a pipeline of devenv's own
takes the spans from the receivers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from devenv.http.origin import split_endpoint
from devenv.immutable import immutable

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

EXPORTER = "otlphttp/devenv"
PIPELINE = "traces/devenv"
NO_PIPELINE = "it has no trace pipeline"
REACHED = "its spans reach the trace backend as it is configured"

_DROPPING = frozenset({"tail_sampling", "probabilistic_sampler", "filter"})
"""Types of processors after which spans are missing."""

_ADDRESSES = frozenset({"endpoint", "traces_endpoint", "hostnames"})
"""Keys of an exporter that say where it sends."""

_VARIABLE = re.compile(r"\$\{(?:env:)?(\w+)(?::-([^}]*))?\}")


@immutable(kw_only=True)
class Addition:
    """What a configuration needs.

    Attributes:
        pipelines: those that the exporter is added to.
        receivers: of a pipeline of devenv's own; empty: it needs none.
    """

    pipelines: tuple[str, ...] = ()
    receivers: tuple[str, ...] = ()


@immutable(kw_only=True)
class _Pipeline:
    name: str
    receivers: tuple[str, ...]
    processors: tuple[str, ...]
    exporters: tuple[str, ...]


def needed_addition(
    config: Mapping[str, Any], *, reached: AbstractSet[str], environment: Mapping[str, str]
) -> Addition | str:
    """Return what ``config`` needs, or why it gets nothing.

    Args:
        config: of a collector, as plain values.
        reached: host names, in lower case, behind which spans get to devenv's backend: itself, and other collectors
            that send there.
        environment: of the collector, for the variables in its configuration.
    """
    pipelines = list(_trace_pipelines(config))
    if not pipelines:
        return NO_PIPELINE
    connectors = _names(config.get("connectors"))
    for ends in ({n for p in pipelines for n in p.exporters}, {n for p in pipelines for n in p.receivers}):
        connectors &= ends  # those from one trace pipeline to another one
    sending = {
        name
        for name, exporter in _mapping(config.get("exporters")).items()
        if any(_host(text, environment) in reached for text in _addresses(exporter))
    }
    good = _reaching(pipelines, connectors, sending)
    covered = {name for pipeline in pipelines if pipeline.name in good for name in pipeline.receivers}
    concerned = [p for p in pipelines if set(p.receivers) - connectors - covered]
    needed = [name for p in concerned for name in p.receivers if name not in connectors and name not in covered]
    if not needed:
        return REACHED
    simple = (
        len(needed) == len(set(needed)) == sum(len(p.receivers) for p in concerned)
        and not connectors
        and not any(name.partition("/")[0] in _DROPPING for p in concerned for name in p.processors)
    )
    if simple:
        return Addition(pipelines=tuple(p.name for p in concerned))
    return Addition(receivers=tuple(dict.fromkeys(needed)))


def exporters_of(config: Mapping[str, Any], pipeline: str) -> list[str]:
    """Return the names of a pipeline's exporters."""
    found = _mapping(_mapping(_mapping(config.get("service")).get("pipelines")).get(pipeline)).get("exporters")
    return list(_texts(found))


def _reaching(pipelines: list[_Pipeline], connectors: set[str], sending: set[str]) -> set[str]:
    """Names of the pipelines whose spans get to the backend, by an exporter or by a connector to such a pipeline."""
    good = {p.name for p in pipelines if sending & set(p.exporters)}
    for _ in pipelines:
        onward = {name for p in pipelines if p.name in good for name in p.receivers if name in connectors}
        good |= {p.name for p in pipelines if onward & set(p.exporters)}
    return good


def _trace_pipelines(config: Mapping[str, Any]) -> Iterator[_Pipeline]:
    for name, settings in _mapping(_mapping(config.get("service")).get("pipelines")).items():
        if name.partition("/")[0].strip() != "traces":
            continue
        parts = _mapping(settings)
        receivers, processors, exporters = (_texts(parts.get(key)) for key in ("receivers", "processors", "exporters"))
        yield _Pipeline(name=name, receivers=receivers, processors=processors, exporters=exporters)


def _addresses(exporter: object) -> Iterator[str]:
    if isinstance(exporter, Mapping):
        for key, value in exporter.items():
            yield from _texts([value] if isinstance(value, str) else value) if key in _ADDRESSES else ()
            yield from _addresses(value)


def _host(endpoint: str, environment: Mapping[str, str]) -> str:
    plain = _VARIABLE.sub(lambda found: environment.get(found[1]) or found[2] or "", endpoint)
    try:
        return (split_endpoint(plain).hostname or "").lower()
    except ValueError:
        return ""


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _names(value: object) -> set[str]:
    return set(_mapping(value))


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list | tuple) else ()
