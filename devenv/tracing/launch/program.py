"""Runs a program with tracing and without a change of its code: `devenv run` and `python -m devenv.tracing`.

Python imports `sitecustomize` from the startup folder, which is put on PYTHONPATH, and that calls `auto`. A Python that
ignores PYTHONPATH (`-I`, `-E`) is not traced.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from devenv.tracing.automatic import check_names
from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.errors import LaunchError
from devenv.tracing.launch.program_name import service_name as name_of
from devenv.tracing.settings import Settings

STARTUP = Path(__file__).resolve().parents[1] / "startup"
DEFAULT_ENDPOINT = "http://127.0.0.1:4318"
CONFIG, LEAVE_OUT, LIBRARIES = "DEVENV_TRACING_CONFIG", "DEVENV_TRACING_LEAVE_OUT", "DEVENV_TRACING_LIBRARIES"

_LIGHT_DEPENDENCIES = ("opentelemetry", "google", "yaml")
_PROBE_S = 0.2
# Traces in under a second, and nothing sent that a trace backend does not take: what `devenv up` gives services.
_ALWAYS = {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is ready to run.

    Attributes:
        path: The file that is executed.
        command: The command and its arguments.
        environ: Its environment.
        notes: Lines for people, such as that nothing answers where the traces go.
    """

    path: str
    command: tuple[str, ...]
    environ: Mapping[str, str]
    notes: tuple[str, ...] = ()


def prepare(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    directory: Path,
    config: str | Path | None = None,
    service_name: str = "",
    leave_out: Collection[str] = (),
    endpoint: str = "",
) -> Program:
    """Find the program, and make the environment in which it and its children trace themselves.

    Args:
        command: The command and its arguments.
        environ: The environment to start from; what it sets of OTEL_* stays.
        directory: Where the program runs.
        config: A config.yaml whose `tracing` section is read; DEVENV_TRACING_CONFIG by default.
        service_name: The service's name; by default OTEL_SERVICE_NAME, the config's, or one made from the command.
        leave_out: Names of libraries that are not traced, as for `auto`.
        endpoint: Base URL of the OTLP receiver where nothing else names one; http://127.0.0.1:4318 by default.

    Raises:
        LaunchError: There is no such command, or it cannot be executed.
        ConfigError: The configuration is wrong, or a name of `leave_out` is unknown.
    """
    path = _executable(command, environ)
    check_names(leave_out)
    given = {**environ, "OTEL_SERVICE_NAME": service_name} if service_name else dict(environ)
    config = config or environ.get(CONFIG) or None
    settings = resolve(config, environ=given)
    endpoint = (endpoint or DEFAULT_ENDPOINT).rstrip("/")
    found = environment(given, config=config, leave_out=leave_out)
    for variable, value in _ALWAYS.items():
        found[variable] = found.get(variable) or value
    if not _is_set(settings, "service_name"):
        found["OTEL_SERVICE_NAME"] = name_of(command, directory, environ)
    if not _is_set(settings, "schedule_delay_ms"):
        found["OTEL_BSP_SCHEDULE_DELAY"] = "200"
    if not _is_set(settings, "endpoint"):
        found["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
    else:
        endpoint = settings.endpoint
    unheard = settings.enabled and settings.exporter == "otlp" and not answers(endpoint)
    note = f"nothing answers at {endpoint}, so traces are lost (hint: devenv up)"
    return Program(path, tuple(command), found, (note,) if unheard else ())


def environment(
    environ: Mapping[str, str],
    *,
    config: str | Path | None = None,
    service_name: str = "",
    leave_out: Collection[str] = (),
) -> dict[str, str]:
    """The environment in which every Python program traces itself, its children included.

    Args:
        environ: The environment to start from.
        config: A config.yaml; its `tracing` section is read.
        service_name: The service's name where `OTEL_SERVICE_NAME` is not set.
        leave_out: Names of libraries that are not traced.
    """
    found = dict(environ)
    others = [entry for entry in found.get("PYTHONPATH", "").split(os.pathsep) if entry and Path(entry) != STARTUP]
    found["PYTHONPATH"] = os.pathsep.join([str(STARTUP), *others])
    found[LIBRARIES] = os.pathsep.join([f"{sys.version_info[0]}.{sys.version_info[1]}{sys.abiflags}", *_libraries()])
    if config is not None:
        found[CONFIG] = str(Path(config).resolve())
    if leave_out:
        found[LEAVE_OUT] = ",".join(sorted(leave_out))
    if service_name:
        found["OTEL_SERVICE_NAME"] = found.get("OTEL_SERVICE_NAME") or service_name
    return found


def run(program: Program) -> NoReturn:
    """Become the program: signals, terminal, standard streams and exit code are its own from here on.

    Raises:
        LaunchError: The system refuses to execute it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    for name in ("SIGPIPE", "SIGXFSZ"):  # ignored by Python, and what is ignored would stay so for the program
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execve(program.path, program.command, program.environ)  # noqa: S606 - no shell is wanted
    except OSError as error:
        raise LaunchError(f"{program.path} cannot be executed: {error.strerror}", _interpreter_hint(program)) from error


def recorded_endpoint(directory: Path) -> str:
    """The OTLP receiver of the project that is up in a directory, as `devenv up` left it there; empty if none did."""
    try:
        record = json.loads((directory / ".devenv" / "project.json").read_text())
        return str(record.get("otlp_http_url") or "")
    except (OSError, ValueError, AttributeError):  # no project, or a record of another shape: there is a default
        return ""


def answers(endpoint: str) -> bool:
    """Whether something takes connections at a URL; looked at for 0.2 s at most, a slow name server included."""
    parts = urlsplit(endpoint)
    reached: list[bool] = []

    def connect() -> None:
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            socket.create_connection((parts.hostname or "", port), timeout=_PROBE_S).close()
        except (OSError, ValueError):  # ValueError: no port
            return
        reached.append(True)

    probe = threading.Thread(target=connect, daemon=True)
    probe.start()
    probe.join(_PROBE_S)
    return bool(reached)


def _executable(command: Sequence[str], environ: Mapping[str, str]) -> str:
    if not command:
        raise LaunchError("there is no command to run", "for example: devenv run -- python app.py")
    name = command[0]
    path = shutil.which(name, path=environ.get("PATH", os.defpath))
    if path is not None:
        return path
    if Path(name).is_file():
        raise LaunchError(f"{name} is a file here, but no command", f"run it as: python {name}, or ./{name} (chmod +x)")
    where = "there is no such file" if os.sep in name else "it is not on the PATH"
    raise LaunchError(f"the command {name} is not found: {where}", "what follows -- is the command and its arguments")


def _interpreter_hint(program: Program) -> str:
    return f"does its first line name an interpreter? or run it as: python {program.command[0]}"


def _is_set(settings: Settings, field: str) -> bool:
    """Whether the user said so, in the environment or in config.yaml, and not a built-in profile or default."""
    origin = settings.origin(field)
    return origin != "default" and (not origin.startswith("profile ") or "(" in origin)


def _libraries() -> list[str]:
    """The folders that hold devenv and what its tracing needs, for interpreters that have neither."""
    folders = {str(STARTUP.parents[2]): None}
    for name in _LIGHT_DEPENDENCIES:
        spec = find_spec(name)
        for location in (spec.submodule_search_locations or ()) if spec is not None else ():
            folders.setdefault(str(Path(location).parent))
    return list(folders)
