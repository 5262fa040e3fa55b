"""Reads settings from OTEL_* and DEVENV_TRACING_* variables.

Rules: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/. As these require,
an empty variable counts as unset, and an invalid one is ignored with a warning. Of a list, only the invalid members are
ignored. No warning contains a value that may be a secret.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import unquote

from devenv.tracing.configuration.endpoints import is_header, signal_url, without_secrets
from devenv.tracing.configuration.validation import check_value
from devenv.tracing.export.signal import LOG_RECORDS, METRICS, SPANS, Signal
from devenv.tracing.light.notices import warn_once
from devenv.tracing.process.captured_headers import CAPTURING
from devenv.tracing.process.http_names import EXCLUDING
from devenv.tracing.settings import KEYS, PROPAGATORS, SAMPLERS, Key

_log = logging.getLogger(__name__)

_SIGNALS = ("", "TRACES_", "LOGS_", "METRICS_")
_TIMEOUTS = {f"OTEL_EXPORTER_OTLP_{signal}TIMEOUT" for signal in _SIGNALS}
_FOREVER_MS = (1 << 31) - 1
_HEADERS = {f"OTEL_EXPORTER_OTLP_{signal}HEADERS" for signal in _SIGNALS}
_ARGUMENT = "OTEL_TRACES_SAMPLER_ARG"
INSECURE = ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE")
# May name what a package installs, beside the choices of the setting.
_OPEN = {"OTEL_TRACES_SAMPLER", "OTEL_PROPAGATORS"}
_ENDPOINTS = {f"OTEL_EXPORTER_OTLP_{signal}ENDPOINT" for signal in _SIGNALS}

Found = dict[str, tuple[Any, str]]
"""Field name to (value, variable)."""


def read_environment(environ: Mapping[str, str]) -> Found:
    """Return the settings in the environment."""
    found = read_keys(environ, KEYS)
    _remote_sampler(found, environ)
    _excluded_urls(found, environ)
    _captured_headers(found, environ)
    return found


def read_keys(environ: Mapping[str, str], keys: Mapping[str, Key]) -> Found:
    """Return the settings of these keys in the environment."""
    found: Found = {}
    for name, key in keys.items():
        for variable in key.variables:
            text = environ.get(variable, "").strip()
            if not text or (variable == _ARGUMENT and not _takes(name, environ)):
                continue
            try:
                value = _parse(variable, key, text, environ)
            except ValueError as error:
                shown = without_secrets(text) if key.kind != "map" else "(not shown)"
                warn_once(_log, "ignoring %s=%s: expected %s", variable, repr(shown), error)
                continue
            if value is not None or key.optional:
                found[name] = (value, variable)
                break
    return found


def _excluded_urls(found: Found, environ: Mapping[str, str]) -> None:
    given = {variable: environ[variable].strip() for variable in EXCLUDING if environ.get(variable, "").strip()}
    if given:
        patterns = {EXCLUDING[variable]: text for variable, text in given.items()}
        found["exclude_patterns_of"] = (patterns, ", ".join(given))


def _captured_headers(found: Found, environ: Mapping[str, str]) -> None:
    given = {variable: environ[variable].strip() for variable in CAPTURING if environ.get(variable, "").strip()}
    if given:
        names = {CAPTURING[variable]: text for variable, text in given.items()}
        found["captured_headers"] = (names, ", ".join(given))


def parse_pairs(text: str) -> dict[str, str]:
    """Parse `a=1,b=2%20c` to a mapping; values are percent-decoded.

    Raises:
        ValueError: If a member has no `=` or no name.
    """
    pairs: dict[str, str] = {}
    for number, member in enumerate(filter(None, (part.strip() for part in text.split(","))), 1):
        name, equals, value = member.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"name=value pairs separated by commas, but member {number} is not one")
        pairs[unquote(name.strip())] = unquote(value.strip())
    return pairs


def parse_headers(variable: str, text: str) -> dict[str, str] | None:
    """Parse headers; a member that cannot be one is left out with a warning that has its number, not its value."""
    headers: dict[str, str] = {}
    for number, member in enumerate(filter(None, (part.strip() for part in text.split(","))), 1):
        name, equals, value = member.partition("=")
        name, value = unquote(name.strip()), unquote(value.strip())
        if equals and is_header(name, value):
            headers[name] = value
        else:
            warn_once(_log, "%s: member %d is not a header name=value; the other members are used", variable, number)
    return headers or None


def _parse(variable: str, key: Key, text: str, environ: Mapping[str, str]) -> Any:
    if variable in _HEADERS:
        return parse_headers(variable, text)
    if variable in _ENDPOINTS:
        signal = _signal_of(key)
        return signal_url(variable, text, _grpc_scheme(environ, signal), signal.path)
    special = _SPECIAL.get(variable)
    value = special(text) if special is not None else _BY_KIND[key.kind](text)
    return value if variable in _OPEN else check_value(key, value)


def _signal_of(key: Key) -> Signal:
    """Return the signal whose settings have this key: its own variable comes first."""
    return next(signal for signal in (LOG_RECORDS, METRICS, SPANS) if f"_{signal.variable}_" in key.variables[0])


def _grpc_scheme(environ: Mapping[str, str], signal: Signal) -> str:
    """Return the scheme of an endpoint without one: only gRPC allows that, by OTEL_EXPORTER_OTLP_INSECURE."""
    names = [f"OTEL_EXPORTER_OTLP_{part}PROTOCOL" for part in (f"{signal.variable}_", "")]
    if next((environ[name].strip() for name in names if environ.get(name, "").strip()), "") != "grpc":
        return ""
    for name in [f"OTEL_EXPORTER_OTLP_{part}INSECURE" for part in (f"{signal.variable}_", "")]:
        text = environ.get(name, "").strip()
        if text:
            return "http" if _strict_or_false(name, text) else "https"
    return "https"


def _takes(name: str, environ: Mapping[str, str]) -> bool:
    """Return whether a setting is read from the argument of the sampler that the environment names."""
    sampler = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if name == "sampler_ratio" and sampler in {
        "always_on",
        "always_off",
        "parentbased_always_on",
        "parentbased_always_off",
    }:
        warn_once(_log, "%s is not used by %s", _ARGUMENT, sampler)
    built_in = not sampler or sampler in SAMPLERS
    if name == "sampler_ratio":
        return not sampler or sampler.endswith("traceidratio")
    return not built_in


def _remote_sampler(found: Found, environ: Mapping[str, str]) -> None:
    """Read the argument of `jaeger_remote`: `endpoint=URL,pollingIntervalMs=N,initialSamplingRate=R`."""
    variable = _ARGUMENT
    text = environ.get(variable, "").strip()
    if not str(found.get("sampler", ("",))[0]).endswith("jaeger_remote") or not text:
        return
    names = {
        "endpoint": "sampler_endpoint",
        "pollingIntervalMs": "sampler_interval_ms",
        "initialSamplingRate": "sampler_ratio",
    }
    for member in text.split(","):
        name, equals, value = (part.strip() for part in member.partition("="))
        field = names.get(name)
        try:
            if field is None or not equals:
                raise ValueError(f"one of {', '.join(names)}, each with =value")
            key = KEYS[field]
            found[field] = (check_value(key, _BY_KIND[key.kind](value)), variable)
        except ValueError as error:
            warn_once(_log, "ignoring %s in %s: expected %s", repr(without_secrets(member)), variable, error)


def _boolean(text: str) -> bool:
    return text.lower() in {"true", "1", "yes", "on"}


def _strict(text: str) -> bool:
    """OpenTelemetry's booleans: only `true` is true."""
    if text.lower() not in {"true", "false"}:
        raise ValueError("true or false")
    return text.lower() == "true"


def _not_disabled(text: str) -> bool:
    return not _strict(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError("a number") from None


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("a whole number") from None


def _timeout_s(text: str) -> float:
    milliseconds = _number(text)
    return (milliseconds or _FOREVER_MS) / 1000.0  # 0: without a limit


def _timeout_ms(text: str) -> int:
    return _integer(text) or _FOREVER_MS


def _delay_ms(text: str) -> int:
    milliseconds = _integer(text)
    return 1 if milliseconds == 0 else milliseconds


def _list(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip().lower() for part in text.split(",") if part.strip()))


def _as_written(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _known_of(names: tuple[str, ...], known: tuple[str, ...], variable: str, group: str) -> tuple[str, ...]:
    """Return the names that are known, or that a package has an entry point for; warn about the others."""
    kept = []
    for name in names:
        if name in known or (group and _has_entry_point(group, name)):
            kept.append(name)
        else:
            warn_once(_log, "%s: ignoring %s, expected %s", variable, repr(name), f"one of {', '.join(known)}")
    return tuple(kept)


def _has_entry_point(group: str, name: str) -> bool:
    from devenv.tracing.process.entry_points import entry_points

    return bool(entry_points(group, name))


def _propagators(text: str) -> tuple[str, ...] | None:
    names = _known_of(_list(text), PROPAGATORS, "OTEL_PROPAGATORS", "opentelemetry_propagator")
    return names or None


def _exporters(variable: str, text: str) -> str | None:
    names = _known_of(_list(text), ("otlp", "console", "none"), variable, "")
    if "none" in names and len(names) > 1:
        warn_once(_log, "%s: ignoring 'none' beside other exporters", variable)
        names = tuple(name for name in names if name != "none")
    return ",".join(sorted(names, reverse=True)) or None  # "otlp,console"


def _sampler(text: str) -> str:
    if text.lower() in SAMPLERS:
        return text.lower()
    if _has_entry_point("opentelemetry_traces_sampler", text):
        return text
    raise ValueError(f"one of {', '.join(SAMPLERS)}, or the name of an installed one")


def _strict_or_false(variable: str, text: str) -> bool:
    try:
        return _strict(text)
    except ValueError as error:
        warn_once(_log, "ignoring %s=%r: expected %s", variable, text, error)
        return False


def _optional_integer(text: str) -> int | None:
    return None if text.lower() in {"none", "unlimited"} else _integer(text)


_BY_KIND: Mapping[str, Callable[[str], Any]] = {
    "str": str,
    "bool": _boolean,
    "int": _integer,
    "float": _number,
    "list": _list,
    "map": parse_pairs,
}
_SPECIAL: Mapping[str, Callable[[str], Any]] = {
    "OTEL_SDK_DISABLED": _not_disabled,
    **{name: partial(_exporters, name) for name in ("OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER")},
    "OTEL_PROPAGATORS": _propagators,
    "OTEL_TRACES_SAMPLER": _sampler,
    **dict.fromkeys(("OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY", "OTEL_METRIC_EXPORT_INTERVAL"), _delay_ms),
    **dict.fromkeys(("OTEL_BSP_EXPORT_TIMEOUT", "OTEL_BLRP_EXPORT_TIMEOUT", "OTEL_METRIC_EXPORT_TIMEOUT"), _timeout_ms),
    "OTEL_LOG_LEVEL": str.lower,
    "OTEL_LOGS_EXPORTER": str.lower,
    "OTEL_METRICS_EXEMPLAR_FILTER": str.lower,
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": str.lower,
    "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": str.lower,
    "OTEL_PYTHON_EXCLUDED_URLS": _as_written,
    "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS": _as_written,
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": _as_written,
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": _optional_integer,
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": _optional_integer,
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT": _optional_integer,
    **dict.fromkeys(_TIMEOUTS, _timeout_s),
}
