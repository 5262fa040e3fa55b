"""The variables of OpenTelemetry that devenv.tracing does not use: warned about once, by name.

The lists are those of the specification
(https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/,
https://opentelemetry.io/docs/specs/otel/protocol/exporter/) and of OpenTelemetry for Python.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from devenv.tracing.configuration.environment import INSECURE
from devenv.tracing.light.notices import warn_once
from devenv.tracing.logs.settings import LOG_KEYS
from devenv.tracing.metrics.settings import METRIC_KEYS
from devenv.tracing.process.captured_headers import CAPTURING
from devenv.tracing.process.http_names import EXCLUDING
from devenv.tracing.settings import KEYS

_log = logging.getLogger(__name__)

CONFIG_FILES = ("OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE")

# Used elsewhere: by OpenTelemetry's API itself, or read beside the settings.
HONOURED = frozenset(
    {"OTEL_PYTHON_CONTEXT", "OTEL_SEMCONV_STABILITY_OPT_IN", *CONFIG_FILES, *INSECURE, *EXCLUDING, *CAPTURING}
)

_OTLP = ("CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY", "COMPRESSION", "ENDPOINT", "HEADERS", "INSECURE",
         "PROTOCOL", "TIMEOUT")  # fmt: skip

# Of metrics and logs: used only if these are exported, some not even then. `none` is what is done by default.
_OTHER_SIGNALS = frozenset(
    {
        "OTEL_METRICS_EXEMPLAR_FILTER", "OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_METRIC_EXPORT_TIMEOUT", "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "OTEL_EXPORTER_PROMETHEUS_HOST",
        "OTEL_EXPORTER_PROMETHEUS_PORT", "OTEL_PYTHON_METER_PROVIDER", "OTEL_PYTHON_METER_CONFIGURATOR",
        "OTEL_PYTHON_LOGGER_CONFIGURATOR",
        "OTEL_PYTHON_LOGGER_PROVIDER", "OTEL_PYTHON_EVENT_LOGGER_PROVIDER",
        "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED",
        *(f"OTEL_EXPORTER_OTLP_{signal}_{name}" for signal in ("METRICS", "LOGS") for name in _OTLP),
    }
)  # fmt: skip
_UNUSED = {
    "OTEL_EXPORTER_ZIPKIN_ENDPOINT": "spans are exported by OTLP",
    "OTEL_EXPORTER_ZIPKIN_TIMEOUT": "spans are exported by OTLP",
    "OTEL_EXPORTER_ZIPKIN_PROTOCOL": "spans are exported by OTLP",
    "OTEL_EXPORTER_JAEGER_AGENT_HOST": "spans are exported by OTLP",
    "OTEL_EXPORTER_JAEGER_AGENT_PORT": "spans are exported by OTLP",
    "OTEL_EXPORTER_JAEGER_ENDPOINT": "spans are exported by OTLP",
    "OTEL_EXPORTER_JAEGER_USER": "spans are exported by OTLP",
    "OTEL_EXPORTER_JAEGER_PASSWORD": "spans are exported by OTLP",
    "OTEL_PYTHON_TRACER_PROVIDER": "devenv.tracing installs its own; `provider: sdk` chooses the SDK's",
    "OTEL_PYTHON_TRACER_CONFIGURATOR": "not supported",
    "OTEL_PYTHON_DISTRO": "devenv.tracing is one",
    "OTEL_PYTHON_CONFIGURATOR": "devenv.tracing is one",
    "OTEL_PYTHON_LOG_CORRELATION": "trace IDs are added to log lines; leave out `logging` to switch that off",
    "OTEL_PYTHON_LOG_FORMAT": "the program's format is kept, with the trace IDs after it",
    "OTEL_PYTHON_LOG_LEVEL": "the program's level is kept",
    "OTEL_PYTHON_INSTRUMENTATION_DOMAIN": "not supported",
    "OTEL_EXPERIMENTAL_RESPONSE_PROPAGATORS": "`trace_response` adds a traceresponse header",
    "OTEL_EXPORTER_OTLP_SPAN_INSECURE": "its name is now OTEL_EXPORTER_OTLP_TRACES_INSECURE",
    "OTEL_EXPORTER_OTLP_METRIC_INSECURE": "its name is now OTEL_EXPORTER_OTLP_METRICS_INSECURE",
    "OTEL_ENTITIES": "entities are not supported; set OTEL_RESOURCE_ATTRIBUTES",
}
_LOGS = frozenset(variable for key in LOG_KEYS.values() for variable in key.variables) | {
    "OTEL_EXPORTER_OTLP_LOGS_INSECURE"
}
_METRICS = frozenset(variable for key in METRIC_KEYS.values() for variable in key.variables) | {
    "OTEL_EXPORTER_OTLP_METRICS_INSECURE"
}
_OF_UP = frozenset({"OTEL_METRIC_EXPORT_INTERVAL"})
"""What `devenv up` sets in every service, whether or not it exports what this is about."""
_USED = frozenset(variable for key in KEYS.values() for variable in key.variables) | HONOURED


def known() -> frozenset[str]:
    """Return the names of all variables that are used or warned about."""
    return _USED | _OTHER_SIGNALS | _LOGS | _METRICS | _UNUSED.keys()


def warn_about_others(environ: Mapping[str, str]) -> None:
    """Warn about variables that are set and not used, and about names that are probably misspelt."""
    given = {name: value.strip() for name, value in environ.items() if name.startswith("OTEL_") and value.strip()}
    others, exported = set(_OTHER_SIGNALS), ["traces"]
    for signal, exporter, used in (
        ("logs", "OTEL_LOGS_EXPORTER", _LOGS),
        ("metrics", "OTEL_METRICS_EXPORTER", _METRICS),
    ):
        if given.get(exporter, "none").lower() == "none":
            others |= used - _USED - _OF_UP
        else:
            others -= used
            exported.append(signal)
    signals = sorted(name for name in given if name in others and given[name].lower() != "none")
    if signals:
        warn_once(_log, "not used, because only %s are exported: %s", " and ".join(exported), ", ".join(signals))
    for name in sorted(given.keys() & _UNUSED.keys()):
        warn_once(_log, "%s is not used: %s", name, _UNUSED[name])
    for name in sorted(given.keys() - known()):
        from difflib import get_close_matches

        near = get_close_matches(name, _USED, 1, 0.9)
        if near:
            warn_once(_log, "%s is not a variable of OpenTelemetry (did you mean %s?)", name, near[0])
    opted = [
        value for value in given.get("OTEL_SEMCONV_STABILITY_OPT_IN", "").split(",") if value.strip().endswith("/dup")
    ]
    if opted:
        warn_once(
            _log,
            "OTEL_SEMCONV_STABILITY_OPT_IN=%s: only the stable attributes are recorded, not the old ones beside them",
            ",".join(opted),
        )
