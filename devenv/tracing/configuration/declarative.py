"""Reads a file of OpenTelemetry's declarative configuration 1.0 (`OTEL_CONFIG_FILE`), as far as it concerns traces.

The schema: https://github.com/open-telemetry/opentelemetry-configuration. With such a file the other OTEL_* variables
are ignored, except those that it refers to. A file that cannot be used is a warning, never an error: the variable may
be set for a program whose author does not know of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from devenv.tracing.configuration.document import Document, Path_
from devenv.tracing.configuration.endpoints import is_header
from devenv.tracing.configuration.environment import parse_pairs
from devenv.tracing.configuration.validation import check_value
from devenv.tracing.errors import ConfigError
from devenv.tracing.light.notices import warn_once
from devenv.tracing.settings import KEYS, PROPAGATORS, Settings

_log = logging.getLogger(__name__)

Found = dict[str, tuple[Any, str]]

_FORMAT = re.compile(r"1\.\d+(?:-.*)?")
_OTHER_SIGNALS = frozenset({"meter_provider", "logger_provider", "instrumentation/development", "distribution"})
# Path below the root, and the setting; the values are of the setting's kind.
_PLAIN: Mapping[str, str] = {
    "log_level": "log_level",
    "attribute_limits.attribute_value_length_limit": "attribute_length",
    "tracer_provider.limits.attribute_value_length_limit": "span_attribute_length",
    "tracer_provider.limits.attribute_count_limit": "span_attributes",
    "tracer_provider.limits.event_count_limit": "span_events",
    "tracer_provider.limits.link_count_limit": "span_links",
    "tracer_provider.limits.event_attribute_count_limit": "event_attributes",
    "tracer_provider.limits.link_attribute_count_limit": "link_attributes",
}
_BATCH: Mapping[str, str] = {
    "schedule_delay": "schedule_delay_ms",
    "export_timeout": "export_timeout_ms",
    "max_queue_size": "max_queue_size",
    "max_export_batch_size": "max_batch_size",
}
_TLS: Mapping[str, str] = {"ca_file": "certificate", "cert_file": "client_certificate", "key_file": "client_key"}
_OF_ONE_EXPORTER = (
    "endpoint", "headers", "timeout_s", "compression", "protocol", *_TLS.values(), *_BATCH.values()
)  # fmt: skip
_DEFAULTS = Settings()
_FOREVER_MS = (1 << 31) - 1


def read_declarative(path: str, environ: Mapping[str, str]) -> Found | None:
    """Return the settings in a file; None, with a warning, if it cannot be used.

    Args:
        path: The file.
        environ: Variables for references such as `${NAME:-default}`.
    """
    from devenv.tracing.configuration.yaml_file import read  # only now: see there

    try:
        document = read(Path(path), substitute=lambda text: substitute(text, environ))
        return _Reading(document).settings()
    except ConfigError as error:
        warn_once(_log, "OTEL_CONFIG_FILE is not used: %s", error)
        return None


def substitute(text: str, environ: Mapping[str, str]) -> str:
    """Replace `${NAME}`, `${env:NAME}` and `${NAME:-default}` in one pass; `$$` is a dollar sign.

    Raises:
        ValueError: If a reference is malformed; the message contains it.
    """

    def replace(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        inner = _REFERENCE.fullmatch(match[1])
        if inner is None:
            raise ValueError(match[0])
        return environ.get(inner[1], "") or inner[2] or ""

    return _DOLLAR.sub(replace, text)


_DOLLAR = re.compile(r"\$\$|\$\{([^}\n]*)\}")
_REFERENCE = re.compile(r"(?:env:)?([A-Za-z_]\w*)(?::-(.*))?", re.ASCII)


class _Reading:
    """One file: the settings found so far; what is unknown or wrong is warned about with its place, and left out."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._found: Found = {}
        self._root = document.values

    def settings(self) -> Found:
        version = str(self._root.get("file_format", ""))
        if _FORMAT.fullmatch(version) is None:
            raise ConfigError(
                source=self._document.source, key="file_format", found=repr(version), expected="'1.0'",
                line=self._document.place(("file_format",)).line, column=self._document.place(("file_format",)).column,
            )  # fmt: skip
        if self._root.get("disabled") is True:
            self._set("enabled", False, ("disabled",))
        self._attribute_limits()
        for dotted, field in _PLAIN.items():
            path = tuple(dotted.split("."))
            value = self._at(path)
            if value is not None:
                self._set(field, value, path)
        self._resource()
        self._propagators()
        self._provider()
        self._unknown(self._root, (), {"file_format", "disabled", "log_level", "attribute_limits", "resource",
                                       "propagator", "tracer_provider", *_OTHER_SIGNALS})  # fmt: skip
        others = sorted(_OTHER_SIGNALS & self._root.keys())
        if others:
            warn_once(
                _log, "%s: not used, because only traces are exported: %s", self._document.source, ", ".join(others)
            )
        return self._found

    def _attribute_limits(self) -> None:
        path = ("attribute_limits", "attribute_count_limit")
        value = self._at(path)
        if value is not None:
            for field in ("span_attributes", "event_attributes", "link_attributes"):
                self._set(field, value, path)
        length = ("attribute_limits", "attribute_value_length_limit")
        if self._at(length) is not None:
            self._set("span_attribute_length", self._at(length), length)

    def _resource(self) -> None:
        attributes: dict[str, str] = {}
        path: Path_ = ("resource", "attributes_list")
        listed = self._at(path)
        if isinstance(listed, str):
            attributes.update(self._parsed(parse_pairs, listed, path))
        path = ("resource", "attributes")
        for entry in self._entries(path):
            if entry.get("value") is not None:
                value = entry["value"]
                attributes[str(entry.get("name"))] = (
                    ",".join(map(str, value)) if isinstance(value, list) else _text(value)
                )
        if attributes:
            self._set("resource", attributes, path)
        path = ("resource", "detection/development", "detectors")
        names = tuple(name for entry in self._entries(path) for name in entry)
        if names:
            self._set("resource_detectors", names, path)
        section = self._at(("resource",))
        if isinstance(section, dict):
            self._unknown(
                section, ("resource",), {"attributes", "attributes_list", "schema_url", "detection/development"}
            )

    def _propagators(self) -> None:
        path: Path_ = ("propagator", "composite")
        names = [name for entry in self._entries(path) for name in entry]
        listed = self._at(("propagator", "composite_list"))
        if isinstance(listed, str):
            names += [name.strip() for name in listed.split(",") if name.strip()]
        for name in names:
            if name not in PROPAGATORS:
                self._warn(path, name, f"one of {', '.join(PROPAGATORS)}")
        known = tuple(dict.fromkeys(name for name in names if name in PROPAGATORS))
        # Without a section the specification has no propagator.
        self._set("propagators", known or ("none",), path)

    def _provider(self) -> None:
        provider = self._at(("tracer_provider",))
        if not isinstance(provider, dict):
            self._set("exporter", "none", ("tracer_provider",))  # the specification: a provider that does nothing
            return
        self._unknown(provider, ("tracer_provider",), {"processors", "limits", "sampler"})
        exporters: list[Found] = []
        for number, entry in enumerate(self._entries(("tracer_provider", "processors"))):
            for kind, processor in entry.items():
                path = ("tracer_provider", "processors", str(number), kind)
                if kind not in {"batch", "simple"}:
                    self._warn(path, kind, "batch or simple")
                    continue
                exporters += self._processor(processor if isinstance(processor, dict) else {}, kind == "simple", path)
        if exporters:
            first, *further = exporters
            self._found.update(first)
            if further:
                # What one of them lacks has its default, not the value of the first one.
                usual = {name: getattr(_DEFAULTS, name) for name in _OF_ONE_EXPORTER}
                values = tuple(usual | {name: value for name, (value, _) in each.items()} for each in further)
                self._found["further"] = (values, self._where(("tracer_provider", "processors")))
        else:
            self._set("exporter", "none", ("tracer_provider", "processors"))
        sampler = provider.get("sampler")
        if sampler is not None:
            self._sampler(sampler, ("tracer_provider", "sampler"))
        else:
            self._set("sampler", "parentbased_always_on", ("tracer_provider",))

    def _processor(self, section: Mapping[str, Any], simple: bool, path: Path_) -> list[Found]:
        """Return the settings of one processor, for each of its exporters."""
        outer, exporters = self._found, []
        self._found = {}
        for name, field in _BATCH.items():
            value = section.get(name)
            if value is not None:
                self._set(field, value or (1 if name == "schedule_delay" else _FOREVER_MS), (*path, name))
        if simple:
            self._set("schedule_delay_ms", 1, path)
        common = self._found
        for kind in self._exporters(section.get("exporter"), (*path, "exporter")):
            self._set("exporter", kind, path)
            exporters.append(self._found)
            self._found = dict(common)
        self._found = outer
        return exporters

    def _exporters(self, section: Any, path: Path_) -> Iterator[str]:
        for name, options in section.items() if isinstance(section, dict) else ():
            if name == "console":
                yield "console"
            elif name in {"otlp_http", "otlp_grpc"}:
                self._otlp(name == "otlp_grpc", options if isinstance(options, dict) else {}, (*path, name))
                yield "otlp"
            else:
                self._warn(path, name, "one of otlp_http, otlp_grpc, console")

    def _otlp(self, grpc: bool, options: dict[str, Any], path: Path_) -> None:
        self._unknown(
            options, path, {"endpoint", "tls", "headers", "headers_list", "compression", "timeout", "encoding"}
        )
        protocol = "grpc" if grpc else "http/json" if options.get("encoding") == "json" else "http/protobuf"
        self._set("protocol", protocol, path)
        endpoint = _grpc_endpoint(options) if grpc else options.get("endpoint")
        if endpoint is not None:
            self._set("endpoint", endpoint, (*path, "endpoint"))
        if options.get("compression") is not None:
            self._set("compression", options["compression"], (*path, "compression"))
        timeout = options.get("timeout")
        if isinstance(timeout, (int, float)):
            self._set("timeout_s", (timeout or _FOREVER_MS) / 1000, (*path, "timeout"))
        tls = options.get("tls")
        for name, field in _TLS.items():
            if isinstance(tls, dict) and tls.get(name) is not None:
                self._set(field, tls[name], (*path, "tls", name))
        self._headers(options, path)

    def _headers(self, options: dict[str, Any], path: Path_) -> None:
        headers = {}
        if isinstance(options.get("headers_list"), str):
            headers = self._parsed(parse_pairs, options["headers_list"], (*path, "headers_list"))
        for entry in options.get("headers") or ():
            if isinstance(entry, dict) and entry.get("value") is not None:
                headers[str(entry.get("name"))] = str(entry["value"])
        valid = {name: value for name, value in headers.items() if is_header(name, value)}
        for name in headers.keys() - valid.keys():
            self._warn(
                (*path, "headers"), f"header {name}", "a token as the name, and a value without control characters"
            )
        if valid:
            self._set("headers", valid, (*path, "headers"))

    def _sampler(self, section: Any, path: Path_, prefix: str = "") -> None:
        kind, options = next(iter(section.items())) if isinstance(section, dict) and section else ("", None)
        options = options if isinstance(options, dict) else {}
        here = (*path, kind)
        if kind == "parent_based" and not prefix:
            usual = {"remote_parent_sampled": "always_on", "remote_parent_not_sampled": "always_off",
                     "local_parent_sampled": "always_on", "local_parent_not_sampled": "always_off"}  # fmt: skip
            for name, expected in usual.items():
                given = options.get(name)
                if given is not None and (not isinstance(given, dict) or expected not in given):
                    self._warn((*here, name), repr(given), expected)
            self._sampler(options.get("root") or {"always_on": None}, (*here, "root"), "parentbased_")
        elif kind in {"always_on", "always_off"}:
            self._set("sampler", prefix + kind, here)
        elif kind in {"trace_id_ratio_based", "probability/development"}:
            self._set("sampler", f"{prefix}traceidratio", here)
            self._set("sampler_ratio", options.get("ratio", 1.0), here)
        elif kind == "jaeger_remote/development":
            self._set("sampler", f"{prefix}jaeger_remote", here)
            self._set("sampler_endpoint", options.get("endpoint", ""), here)
            if options.get("interval") is not None:
                self._set("sampler_interval_ms", options["interval"], here)
            initial = options.get("initial_sampler")
            ratio = next((one.get("ratio") for one in (initial or {}).values() if isinstance(one, dict)), None)
            self._set("sampler_ratio", 1.0 if "always_on" in (initial or {}) else ratio or 0.0, here)
        else:
            self._warn(path, repr(kind), "always_on, always_off, trace_id_ratio_based, parent_based or jaeger_remote")
            self._set("sampler", "parentbased_always_on", path)

    def _at(self, path: Path_) -> Any:
        node: Any = self._root
        for part in path:
            node = node.get(part) if isinstance(node, dict) else None
        return node

    def _entries(self, path: Path_) -> Iterator[dict[str, Any]]:
        found = self._at(path)
        for entry in found if isinstance(found, list) else ():
            if isinstance(entry, dict):
                yield entry
            else:
                self._warn(path, repr(entry), "a mapping")

    def _parsed(self, parse: Callable[[str], dict[str, str]], text: str, path: Path_) -> dict[str, str]:
        try:
            return parse(text)
        except ValueError as error:
            self._warn(path, "the list", str(error))
            return {}

    def _set(self, field: str, value: Any, path: Path_) -> None:
        try:
            self._found[field] = (check_value(KEYS[field], value), self._where(path))
        except ValueError as error:
            self._warn(path, repr(value), str(error))

    def _unknown(self, section: Mapping[str, Any], path: Path_, known: set[str]) -> None:
        for name in section:
            if name not in known:
                self._warn((*path, str(name)), "a key that is not used", f"one of {', '.join(sorted(known))}")

    def _warn(self, path: Path_, found: str, expected: str) -> None:
        warn_once(_log, "%s: %s: found %s, expected %s", self._where(path), ".".join(path), found, expected)

    def _where(self, path: Path_) -> str:
        """Return the place of the nearest part of the path that the file has."""
        for end in range(len(path), 0, -1):
            place = self._document.key_place(path[:end])
            if place.line:
                return f"{self._document.source}:{place.line}:{place.column}"
        return self._document.source


def _grpc_endpoint(options: Mapping[str, Any]) -> str:
    endpoint, tls = str(options.get("endpoint") or "http://localhost:4317"), options.get("tls")
    if "://" in endpoint:
        return endpoint
    return f"{'http' if isinstance(tls, dict) and tls.get('insecure') is True else 'https'}://{endpoint}"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
