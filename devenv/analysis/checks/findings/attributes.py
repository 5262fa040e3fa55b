"""Attributes that are missing in resources, and attributes of old semantic conventions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from devenv.analysis.checks.finding import TracingFinding
from devenv.analysis.checks.observed import Affected, SeenTrace
from devenv.analysis.checks.score.resources import NO_NAME
from devenv.model.counts import plural
from devenv.model.trace import UNNAMED_SERVICE

MISSING = "resource-attributes"
OLD = "old-conventions"
SHOWN = 4

_WANTED = ("service.instance.id", "telemetry.sdk.language", "telemetry.sdk.name")

RENAMED: Mapping[str, str] = {
    "http.method": "http.request.method",
    "http.status_code": "http.response.status_code",
    "http.url": "url.full",
    "http.target": "url.path",
    "http.scheme": "url.scheme",
    "http.host": "server.address",
    "http.user_agent": "user_agent.original",
    "http.flavor": "network.protocol.version",
    "http.client_ip": "client.address",
    "http.request_content_length": "http.request.body.size",
    "http.response_content_length": "http.response.body.size",
    "net.peer.name": "server.address",
    "net.peer.port": "server.port",
    "net.peer.ip": "network.peer.address",
    "net.host.name": "server.address",
    "net.host.port": "server.port",
    "net.sock.peer.addr": "network.peer.address",
    "net.sock.peer.port": "network.peer.port",
    "net.protocol.name": "network.protocol.name",
    "net.protocol.version": "network.protocol.version",
    "net.transport": "network.transport",
    "db.statement": "db.query.text",
    "db.system": "db.system.name",
    "db.name": "db.namespace",
    "db.operation": "db.operation.name",
    "db.sql.table": "db.collection.name",
    "db.mongodb.collection": "db.collection.name",
    "db.redis.database_index": "db.namespace",
    "db.connection_string": "server.address",
    "messaging.destination": "messaging.destination.name",
    "messaging.operation": "messaging.operation.type",
    "messaging.message_id": "messaging.message.id",
    "messaging.kafka.consumer.group": "messaging.consumer.group.name",
    "code.function": "code.function.name",
    "code.filepath": "code.file.path",
    "code.lineno": "code.line.number",
    "deployment.environment": "deployment.environment.name",
}
"""Attributes that the semantic conventions replaced by stable ones, from their migration guides.

https://opentelemetry.io/docs/specs/semconv/non-normative/http-migration/, …/db-migration/, …/code-attrs-migration/
"""


@dataclass(slots=True)
class _Keys:
    counts: dict[str, int] = field(default_factory=dict)
    affected: Affected = field(default_factory=Affected)

    def add(self, trace_id: str, key: str) -> None:
        self.counts[key] = self.counts.get(key, 0) + 1
        self.affected.add(trace_id)


class ResourceAttributes:
    """What the resources of each service lack."""

    def __init__(self) -> None:
        self._missing: dict[str, _Keys] = {}

    def add(self, seen: SeenTrace) -> None:
        """Add one trace."""
        for service, resources in seen.resources.items():
            if service in NO_NAME or service.startswith(UNNAMED_SERVICE):
                self._missing.setdefault(service, _Keys()).add(seen.trace_id, "service.name")
            for resource in resources:
                for key in _WANTED:
                    if not resource.get(key):
                        self._missing.setdefault(service, _Keys()).add(seen.trace_id, key)

    def findings(self) -> Iterator[TracingFinding]:
        """One finding for each service."""
        for service, keys in sorted(self._missing.items()):
            nameless = "service.name" in keys.counts
            advice = "set OTEL_SERVICE_NAME" if nameless else "add them to OTEL_RESOURCE_ATTRIBUTES"
            if not nameless and keys.counts.keys() <= {"telemetry.sdk.language", "telemetry.sdk.name"}:
                advice = "merge the resource of your program with the SDK's default resource, instead of replacing it"
            yield TracingFinding(
                kind=MISSING,
                severity="warn",
                service=service,
                title=f"Resource attributes of {service} are missing",
                count=keys.affected.count,
                evidence=f"{', '.join(keys.counts)} in {plural(keys.affected.count, 'trace')}",
                advice=advice,
                examples=tuple(keys.affected.examples),
            )


class OldConventions:
    """Which spans have attributes by old names only; both names are a migration under way."""

    def __init__(self) -> None:
        self._old: dict[str, _Keys] = {}

    def add(self, seen: SeenTrace) -> None:
        """Add one trace."""
        for service, spans in seen.by_service.items():
            for attributes in (*seen.resources[service], *(span.attributes for span in spans)):
                for key in old_keys(tuple(attributes)):
                    self._old.setdefault(service, _Keys()).add(seen.trace_id, key)

    def findings(self) -> Iterator[TracingFinding]:
        """One finding for each service."""
        for service, keys in sorted(self._old.items()):
            often = sorted(keys.counts, key=lambda key: (-keys.counts[key], key))
            renamed = ", ".join(f"{key} (now {RENAMED[key]})" for key in often[:SHOWN])
            more = f" and {plural(len(often) - SHOWN, 'other')}" if len(often) > SHOWN else ""
            yield TracingFinding(
                kind=OLD,
                severity="warn",
                service=service,
                title=f"{service} uses old semantic conventions",
                count=keys.affected.count,
                evidence=f"{renamed}{more} in {plural(keys.affected.count, 'trace')}",
                advice=f"use a newer instrumentation in {service}, or set OTEL_SEMCONV_STABILITY_OPT_IN=http,database",
                examples=tuple(keys.affected.examples),
            )


@lru_cache(4096)
def old_keys(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The old names of some attributes whose new name is not there as well; spans of one kind have the same ones."""
    return tuple(key for key in keys if (new := RENAMED.get(key)) and new not in keys)
