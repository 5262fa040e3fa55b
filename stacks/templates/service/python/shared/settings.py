"""The settings of the service: config.yaml; environment variables named in it take precedence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml


class SettingsError(Exception):
    """An invalid value in config.yaml, or in a variable that takes precedence over it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The values of config.yaml without its `tracing` section, which `devenv.tracing` reads itself."""

    host: str
    port: int
    log_level: str
    stop_timeout_s: int
    upstreams: Mapping[str, str]
    connect_s: float
    total_s: float


def read_settings(path: Path, environ: Mapping[str, str] = os.environ) -> Settings:
    """Read config.yaml.

    Raises:
        SettingsError: it is not there, or a value is missing or of the wrong kind.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
        server, timeouts = found["server"], found["timeouts"]
        return Settings(
            host=environ.get("HOST") or str(server["host"]),
            port=_port(environ.get("PORT") or server["port"]),
            log_level=str(server["log_level"]).upper(),
            stop_timeout_s=int(server["stop_timeout_s"]),
            upstreams={name: _url(name, url, environ) for name, url in (found["upstreams"] or {}).items()},
            connect_s=float(timeouts["connect_s"]),
            total_s=float(timeouts["total_s"]),
        )
    except KeyError as error:
        raise SettingsError(f"{path}: {error.args[0]} is missing") from error
    except (OSError, yaml.YAMLError, AttributeError, TypeError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from error


def _port(value: object) -> int:
    if not str(value).isdecimal():
        raise ValueError(f"server.port (PORT): found {str(value)!r}, expected a number")
    return int(str(value))


def _url(name: str, url: object, environ: Mapping[str, str]) -> str:
    variable = f"{name.upper().replace('-', '_')}_URL"
    text = environ.get(variable) or str(url)
    if not text.startswith(("http://", "https://")):
        raise ValueError(f"upstreams.{name} ({variable}): found {text!r}, expected http://host:port")
    return text.rstrip("/")
