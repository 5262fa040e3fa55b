"""The settings of the tracing library: one table with each key, its default, its variables and its meaning.

Configuration, validation, the documentation and `Settings.origin` are all derived from these fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from devenv.tracing.process.http_names import KNOWN_METHODS
from devenv.tracing.process.versions import SLOTS

SAMPLERS = (
    "parentbased_traceidratio",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "always_on",
    "always_off",
    "parentbased_jaeger_remote",
    "jaeger_remote",
)
PROPAGATORS = ("tracecontext", "baggage", "b3", "b3multi", "jaeger", "none")
EXPORTERS = ("otlp", "console", "otlp,console", "none")
LOG_LEVELS = ("trace", "debug", "info", "warn", "warning", "error", "fatal", "critical", "none")
COMPRESSIONS = ("none", "gzip")
STREAMS = ("stderr", "stdout")
PROVIDERS = ("light", "sdk")


@dataclass(frozen=True, **SLOTS)
class Key:
    """Describes one setting.

    Attributes:
        path: Dotted key in config.yaml below `tracing`.
        kind: One of `str`, `bool`, `int`, `float`, `list`, `map`.
        variables: Environment variables that set it, in order of precedence.
        choices: Allowed values, empty if any value of the kind is allowed.
        minimum: Smallest allowed number.
        maximum: Largest allowed number.
        optional: Whether null is allowed.
        doc: One sentence for the user.
    """

    path: str
    kind: str
    variables: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    optional: bool = False
    doc: str = ""


def _key(path: str, kind: str, default: Any, doc: str, *variables: str, **rules: Any) -> Any:
    metadata = {"key": Key(path, kind, variables, doc=doc, **rules)}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata, repr="headers" not in path)
    return field(default=default, metadata=metadata)


def _count(path: str, default: int | None, doc: str, *variables: str, **rules: Any) -> Any:
    return _key(path, "int", default, doc, *variables, minimum=0, **rules)


@dataclass(frozen=True, **SLOTS)
class Settings:
    """Resolved settings. A time's unit is the suffix of its name."""

    service_name: str = _key(
        "service_name", "str", "unknown_service", "Service name in every trace.", "OTEL_SERVICE_NAME"
    )
    enabled: bool = _key("enabled", "bool", True, "Whether spans are recorded.", "OTEL_SDK_DISABLED")
    environment: str = _key(
        "environment", "str", "", "Deployment environment; selects the profile.", "DEVENV_TRACING_ENVIRONMENT"
    )
    provider: str = _key(
        "provider",
        "str",
        "light",
        "Tracer provider: devenv's (light) or the OpenTelemetry SDK's (sdk).",
        "DEVENV_TRACING_PROVIDER",
        choices=PROVIDERS,
    )
    sampler: str = _key(
        "sampler.type",
        "str",
        "parentbased_traceidratio",
        "Sampler: decides whether a trace is recorded.",
        "OTEL_TRACES_SAMPLER",
        choices=SAMPLERS,
    )
    sampler_argument: str = _key(
        "sampler.argument", "str", "", "Argument of an installed sampler.", "OTEL_TRACES_SAMPLER_ARG"
    )
    sampler_endpoint: str = _key(
        "sampler.endpoint",
        "str",
        "http://localhost:5778/sampling",
        "URL of the sampling strategies, for the remote samplers; OTEL_TRACES_SAMPLER_ARG sets it, too.",
    )
    sampler_interval_ms: int = _key(
        "sampler.polling_interval_ms",
        "int",
        60_000,
        "Time between two requests for the sampling strategy, for the remote samplers.",
        minimum=1,
    )
    sampler_ratio: float = _key(
        "sampler.ratio",
        "float",
        1.0,
        "Ratio of traces to record, for the ratio samplers; for the remote ones until the first answer.",
        "OTEL_TRACES_SAMPLER_ARG",
        minimum=0.0,
        maximum=1.0,
    )
    propagators: tuple[str, ...] = _key(
        "propagators",
        "list",
        ("tracecontext", "baggage"),
        "Header formats that propagate the context.",
        "OTEL_PROPAGATORS",
        choices=PROPAGATORS,
    )
    exporter: str = _key(
        "exporter.type", "str", "otlp", "Destination of the spans.", "OTEL_TRACES_EXPORTER", choices=EXPORTERS
    )
    console: str = _key(
        "exporter.console", "str", "stderr", "Stream of `console`.", "DEVENV_TRACING_CONSOLE", choices=STREAMS
    )
    endpoint: str = _key(
        "exporter.endpoint",
        "str",
        "http://localhost:4318/v1/traces",
        "Full URL of the OTLP/HTTP receiver.",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    )
    headers: Mapping[str, str] = _key(
        "exporter.headers",
        "map",
        {},
        "Headers sent with every export.",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        "OTEL_EXPORTER_OTLP_HEADERS",
    )
    timeout_s: float = _key(
        "exporter.timeout_s",
        "float",
        10.0,
        "Timeout of one export request.",
        "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT",
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        minimum=0.001,
    )
    compression: str = _key(
        "exporter.compression",
        "str",
        "none",
        "Compression of export requests.",
        "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION",
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        choices=COMPRESSIONS,
    )
    protocol: str = _key(
        "exporter.protocol",
        "str",
        "http/protobuf",
        "OTLP protocol; grpc needs grpcio.",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        choices=("http/protobuf", "http/json", "grpc"),
    )
    certificate: str | None = _key(
        "exporter.certificate",
        "str",
        None,
        "File with the CA certificates trusted for https.",
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        optional=True,
    )
    client_certificate: str | None = _key(
        "exporter.client_certificate",
        "str",
        None,
        "File with the client's certificate.",
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
        optional=True,
    )
    client_key: str | None = _key(
        "exporter.client_key",
        "str",
        None,
        "File with the private key of the client certificate.",
        "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
        optional=True,
    )
    max_queue_size: int = _key(
        "batch.max_queue_size",
        "int",
        2048,
        "Maximum number of spans waiting for export; more are dropped and counted.",
        "OTEL_BSP_MAX_QUEUE_SIZE",
        minimum=1,
    )
    max_batch_size: int = _key(
        "batch.max_export_batch_size",
        "int",
        512,
        "Maximum number of spans per export request.",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        minimum=1,
    )
    schedule_delay_ms: int = _key(
        "batch.schedule_delay_ms",
        "int",
        5000,
        "Maximum delay before a finished span is exported.",
        "OTEL_BSP_SCHEDULE_DELAY",
        minimum=1,
    )
    export_timeout_ms: int = _key(
        "batch.export_timeout_ms",
        "int",
        30_000,
        "Maximum time to export a batch, including retries.",
        "OTEL_BSP_EXPORT_TIMEOUT",
        minimum=1,
    )
    span_attributes: int = _count(
        "limits.span_attributes",
        128,
        "Maximum number of attributes per span.",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
    )
    span_events: int = _count(
        "limits.span_events", 128, "Maximum number of events per span.", "OTEL_SPAN_EVENT_COUNT_LIMIT"
    )
    span_links: int = _count(
        "limits.span_links", 128, "Maximum number of links per span.", "OTEL_SPAN_LINK_COUNT_LIMIT"
    )
    event_attributes: int = _count(
        "limits.event_attributes",
        128,
        "Maximum number of attributes per event.",
        "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
    )
    link_attributes: int = _count(
        "limits.link_attributes",
        128,
        "Maximum number of attributes per link.",
        "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
        "OTEL_ATTRIBUTE_COUNT_LIMIT",
    )
    span_attribute_length: int | None = _count(
        "limits.span_attribute_length",
        None,
        "Maximum length of a span attribute's text, in characters; null for no limit.",
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        optional=True,
    )
    attribute_length: int | None = _count(
        "limits.attribute_length",
        None,
        "Maximum length of an event's or link's attribute text, in characters; null for no limit.",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        optional=True,
    )
    trace_spans: int = _count(
        "limits.trace_spans",
        1000,
        "Maximum number of spans per trace in this process; more are counted but not recorded. 0 for no limit.",
        "DEVENV_TRACING_TRACE_SPANS",
    )
    redaction: bool = _key(
        "redaction.enabled", "bool", True, "Whether secrets are redacted.", "DEVENV_TRACING_REDACTION"
    )
    redacted_keys: tuple[str, ...] = _key(
        "redaction.keys", "list", (), "Additional attribute keys whose values are redacted."
    )
    redacted_parameters: tuple[str, ...] = _key(
        "redaction.query_parameters", "list", (), "Additional query parameters whose values are redacted."
    )
    resource: Mapping[str, str] = _key("resource", "map", {}, "Resource attributes.", "OTEL_RESOURCE_ATTRIBUTES")
    trace_response: bool = _key(
        "trace_response",
        "bool",
        False,
        "Whether server responses include a traceresponse header.",
        "DEVENV_TRACING_TRACE_RESPONSE",
    )
    exclude: tuple[str, ...] = _key("exclude", "list", ("/healthz", "/readyz"), "Paths that servers do not trace.")
    exclude_patterns: tuple[str, ...] = _key(
        "exclude_patterns",
        "list",
        (),
        "Regular expressions; a server does not trace a request if one is found in its URL (without the query).",
        "OTEL_PYTHON_EXCLUDED_URLS",
    )
    exclude_patterns_of: Mapping[str, str] = _key(
        "exclude_patterns_of",
        "map",
        {},
        "Instead of `exclude_patterns` for one library: its name in stock instrumentation to patterns with commas.",
    )
    captured_headers: Mapping[str, str] = _key(
        "captured_headers",
        "map",
        {},
        "Headers recorded as attributes: `server_request`, `client_response`, … to names with commas.",
    )
    known_methods: tuple[str, ...] = _key(
        "known_methods",
        "list",
        KNOWN_METHODS,
        "HTTP methods that are recorded by name; all others as `_OTHER`.",
        "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS",
    )
    leave_out: tuple[str, ...] = _key(
        "leave_out",
        "list",
        (),
        "Libraries that `auto` does not trace, by our names or those of stock instrumentation; `*` for all.",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS",
    )
    id_generator: str = _key(
        "id_generator",
        "str",
        "random",
        "Generator of trace and span IDs, by its entry point.",
        "OTEL_PYTHON_ID_GENERATOR",
    )
    resource_detectors: tuple[str, ...] = _key(
        "resource_detectors",
        "list",
        (),
        "Resource detectors: `os`, `host`, `process`, or those of installed packages; `*` for all.",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS",
    )
    logs_exporter: str = _key(
        "logs.exporter", "str", "none", "Destination of log records.", "OTEL_LOGS_EXPORTER", choices=("otlp", "none")
    )
    metrics_exporter: str = _key(
        "metrics.exporter", "str", "none", "Destination of metrics.", "OTEL_METRICS_EXPORTER", choices=EXPORTERS
    )
    log_level: str = _key(
        "log_level", "str", "info", "Level of the library's own log.", "OTEL_LOG_LEVEL", choices=LOG_LEVELS
    )
    origins: Mapping[str, str] = field(default_factory=dict, repr=False)
    further: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)
    """Further exporters, by what differs from the other settings; only a declarative configuration has them."""
    logs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the variables of logs set, by the names of the fields here."""
    metrics: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The same for metrics."""

    @property
    def receiver(self) -> str:
        """The endpoint as it may be shown: without user information and secrets."""
        from devenv.tracing.configuration.endpoints import without_secrets

        return without_secrets(self.endpoint)

    def origin(self, key: str) -> str:
        """Return where the value of a setting comes from.

        Args:
            key: A dotted key of config.yaml (`sampler.ratio`) or a field's name (`sampler_ratio`).

        Returns:
            `environment NAME`, `argument`, `FILE:LINE:COLUMN`, `profile NAME` or `default`.

        Raises:
            KeyError: If the setting is unknown.
        """
        path = KEYS[key].path if key in KEYS else PATHS[key] and key
        return self.origins.get(path, "default")

    def explain(self) -> dict[str, tuple[Any, str]]:
        """Return every setting by dotted key, as (value, origin)."""
        return {key.path: (getattr(self, name), self.origin(name)) for name, key in KEYS.items()}


KEYS: Mapping[str, Key] = {f.name: f.metadata["key"] for f in fields(Settings) if "key" in f.metadata}
PATHS: Mapping[str, str] = {key.path: name for name, key in KEYS.items()}

PROFILES: Mapping[str, Mapping[str, Any]] = {
    "development": {"sampler.ratio": 1.0, "batch.schedule_delay_ms": 500},
    "production": {"sampler.ratio": 0.1},
}
