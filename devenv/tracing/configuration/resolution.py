"""Resolves the settings: environment over argument over config.yaml over profile over default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from devenv.tracing.configuration.document import Document, Path_, Place
from devenv.tracing.configuration.environment import Found, read_environment
from devenv.tracing.configuration.validation import read_profiles, read_section
from devenv.tracing.configuration.variables import CONFIG_FILES, warn_about_others
from devenv.tracing.settings import KEYS, PATHS, PROFILES, Settings

DEPLOYMENT = ("deployment.environment.name", "deployment.environment")


def resolve(
    config: str | Path | Mapping[str, Any] | None,
    *,
    service_name: str | None = None,
    environ: Mapping[str, str],
) -> Settings:
    """Resolve all settings and record where each comes from.

    Args:
        config: A YAML file, a mapping, or None. Its `tracing` section is read, or all of it if it has none.
        service_name: Name from the code; takes precedence over config.yaml, but not over the environment.
        environ: The environment variables.

    Raises:
        ConfigError: If the configuration is wrong; the message contains file, line and column.
    """
    document = _document(config)
    base: Path_ = ("tracing",) if "tracing" in document.values else ()
    from_environment = _environment(environ)
    further = from_environment.pop("further", ((), ""))[0]
    logs = from_environment.pop("logs", ({}, ""))[0]
    metrics = from_environment.pop("metrics", ({}, ""))[0]
    from_file = list(read_section(document, base))
    profiles = read_profiles(document, base)
    layers = _Layers()
    for key, value, place in from_file:
        layers.put(PATHS[key.path], value, _origin(document, place))
    if service_name:
        layers.put("service_name", service_name, "argument service_name")
    for name, (value, variable) in from_environment.items():
        layers.put(name, value, variable if ":" in variable else f"environment {variable}")
    _name_from_resource(layers, from_environment)
    environment = _deployment(layers)
    layers.under(_profile(environment, profiles, document))
    layers.put("environment", environment, layers.origins.get("environment", "default"))
    return replace(layers.settings(), further=further, logs=logs, metrics=metrics)


def _environment(environ: Mapping[str, str]) -> Found:
    """Read the environment; a usable OTEL_CONFIG_FILE replaces the OTEL_* variables."""
    path = next((environ[name].strip() for name in CONFIG_FILES if environ.get(name, "").strip()), "")
    if path:
        from devenv.tracing.configuration.declarative import read_declarative

        declared = read_declarative(path, environ)
        if declared is not None:
            ours = {name: value for name, value in environ.items() if not name.startswith("OTEL_")}
            return declared | read_environment(ours)
    warn_about_others(environ)
    found = read_environment(environ)
    if found.get("logs_exporter", ("none",))[0] != "none":
        from devenv.tracing.logs.settings import read_log_environment

        found["logs"] = (read_log_environment(environ), "")
    if found.get("metrics_exporter", ("none",))[0] != "none":
        from devenv.tracing.metrics.settings import read_metric_environment

        found["metrics"] = (read_metric_environment(environ), "")
    return found


class _Layers:
    """Values by field name with their origins; maps (headers, resource) are merged, others are replaced."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.origins: dict[str, str] = {}

    def put(self, name: str, value: Any, origin: str) -> None:
        if KEYS[name].kind == "map":
            value = {**self.values.get(name, {}), **value}
        self.values[name] = value
        self.origins[name] = origin

    def under(self, profile: list[tuple[str, Any, str]]) -> None:
        """Add a profile's values for the settings that no other source sets."""
        for name, value, origin in profile:
            if KEYS[name].kind == "map":
                self.values[name] = {**value, **self.values.get(name, {})}
            elif name not in self.values:
                self.values[name] = value
            else:
                continue
            self.origins.setdefault(name, origin)

    def settings(self) -> Settings:
        origins = {KEYS[name].path: origin for name, origin in self.origins.items()}
        return Settings(**self.values, origins=origins)


def _document(config: str | Path | Mapping[str, Any] | None) -> Document:
    if config is None:
        return Document("configuration", {})
    if isinstance(config, Mapping):
        return Document("configuration", dict(config))
    from devenv.tracing.configuration.yaml_file import read  # only now: see there

    return read(Path(config))


def _origin(document: Document, place: Place) -> str:
    return f"{document.source}:{place.line}:{place.column}" if place.line else document.source


def _name_from_resource(layers: _Layers, from_environment: Mapping[str, tuple[Any, str]]) -> None:
    """Choose the service name: OTEL_SERVICE_NAME, then service.name in OTEL_RESOURCE_ATTRIBUTES, then the rest."""
    if "service_name" in from_environment:
        return
    in_environment = from_environment.get("resource", ({}, ""))[0].get("service.name")
    if in_environment:
        layers.put("service_name", in_environment, "environment OTEL_RESOURCE_ATTRIBUTES")
    elif "service_name" not in layers.values and layers.values.get("resource", {}).get("service.name"):
        layers.put("service_name", layers.values["resource"]["service.name"], layers.origins["resource"])


def _deployment(layers: _Layers) -> str:
    resource = layers.values.get("resource", {})
    named = layers.values.get("environment") or next((resource[key] for key in DEPLOYMENT if resource.get(key)), "")
    return named or "development"


def _profile(
    environment: str, own: Mapping[str, list[tuple[Any, Any, Place]]], document: Document
) -> list[tuple[str, Any, str]]:
    """Return the built-in profile of that name, overridden by the user's."""
    origin = f"profile {environment}"
    mine = [
        (PATHS[key.path], value, f"{origin} ({_origin(document, place)})")
        for key, value, place in own.get(environment, [])
    ]
    named = {name for name, _, _ in mine}
    built_in = [(PATHS[path], value, origin) for path, value in PROFILES.get(environment, {}).items()]
    return [*mine, *((name, value, source) for name, value, source in built_in if name not in named)]
