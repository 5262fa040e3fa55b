"""The rules about resources: RES-001 to RES-005, and SDK-001."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from devenv.analysis.checks.observed import Affected, SeenTrace
from devenv.analysis.checks.score.attribute_levels import any_of_resources, any_of_spans
from devenv.analysis.checks.score.runtimes import is_supported
from devenv.model.span import Value

NO_NAME = frozenset({"", "missing-service-name", "empty-service-name", "service-name-wrong-type"})
"""Names that Jaeger and the embedded backend give to services without a name."""

_INSTANCE = "service.instance.id"
_KUBERNETES = "k8s."
_POD = "k8s.pod.uid"


def instance_present(seen: SeenTrace) -> Iterator[tuple[str, bool]]:
    """RES-001: ``service.instance.id`` appears in each resource."""
    for service, resources in seen.resources.items():
        yield service, all(resource.get(_INSTANCE) not in {None, ""} for resource in resources)


def pod_present(seen: SeenTrace) -> Iterator[tuple[str, bool]]:
    """RES-003: ``k8s.pod.uid`` appears in the resources of Kubernetes pods; those of others are not judged."""
    for service, resources in seen.resources.items():
        pods = [resource for resource in resources if _is_of_pod(tuple(resource))]
        if pods:
            yield service, all(resource.get(_POD) for resource in pods)


def levels(seen: SeenTrace) -> Iterator[tuple[str, bool]]:
    """RES-004: attributes of spans are not in resources, nor those of resources on spans."""
    for service, resources in seen.resources.items():
        wrong = any(any_of_spans(tuple(resource)) for resource in resources)
        yield (
            service,
            not (wrong or any(any_of_resources(tuple(span.attributes)) for span in seen.by_service[service])),
        )


def name_present(seen: SeenTrace) -> Iterator[tuple[str, bool]]:
    """RES-005: ``service.name`` is there and not empty."""
    for service in seen.by_service:
        yield service, service not in NO_NAME


def runtime_supported(seen: SeenTrace) -> Iterator[tuple[str, bool]]:
    """SDK-001: the SDK supports the runtime's version; not judged if either is not known."""
    for service, resources in seen.resources.items():
        found = [verdict for resource in resources if (verdict := is_supported(resource)) is not None]
        if found:
            yield service, all(found)


class InstanceIds:
    """RES-002: no two logical resources of a service have one ``service.instance.id``.

    Two pods are never one resource. A container or process that follows another one with the same ID is a restart of
    the same resource: the ID is not unique if both had it at the same time.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], dict[str, tuple[str, list[int]]]] = {}

    def add(self, seen: SeenTrace) -> None:
        """Add the resources of a trace, with the time of their spans."""
        for service, resources in seen.resources.items():
            for resource in resources:
                instance = resource.get(_INSTANCE)
                if not isinstance(instance, str) or not instance:
                    continue
                known = self._seen.setdefault((service, instance), {})
                key = _logical(resource)
                for span in seen.by_service[service]:
                    if span.resource is resource:
                        if key not in known:
                            known[key] = (seen.trace_id, [span.start_ns, span.end_ns])
                        interval = known[key][1]
                        interval[0] = min(interval[0], span.start_ns)
                        interval[1] = max(interval[1], span.end_ns)

    def broken(self) -> dict[str, Affected]:
        """The services of which an ID is not unique, with a trace of each resource that shares it."""
        found: dict[str, Affected] = {}
        for (service, _), resources in self._seen.items():
            rows = sorted((interval, trace_id, key) for key, (trace_id, interval) in resources.items())
            latest: tuple[list[int], str, str] | None = None
            for row in rows:
                if latest is not None and (_are_pods(latest[2], row[2]) or row[0][0] <= latest[0][1]):
                    for trace_id in (latest[1], row[1]):
                        found.setdefault(service, Affected()).add(trace_id)
                if latest is None or row[0][1] > latest[0][1]:
                    latest = row
        return found


@lru_cache(1024)
def _is_of_pod(keys: tuple[str, ...]) -> bool:
    return any(key.startswith(_KUBERNETES) for key in keys)


def _logical(resource: Mapping[str, Value]) -> str:
    """What tells a resource from others: the pod, else container, host and process."""
    for key in ("k8s.pod.uid", "k8s.pod.name"):
        if resource.get(key):
            return f"pod {resource.get('k8s.namespace.name')!r}/{resource[key]!r}"
    get = resource.get
    return f"{get('container.id')!r} {get('host.id')!r} {get('host.name')!r} {get('process.pid')!r}"


def _are_pods(one: str, other: str) -> bool:
    return one.startswith("pod ") and other.startswith("pod ")
