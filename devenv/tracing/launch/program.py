"""Runs a program with tracing, without code changes: `devenv run` and `python -m devenv.tracing`.

Python imports `sitecustomize` from the startup folder, which is on PYTHONPATH, and `sitecustomize` calls `auto`. An
interpreter that ignores PYTHONPATH (`-I`, `-E`) is not traced.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import stat
import sys
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from devenv.tracing.automatic import check_names
from devenv.tracing.configuration.endpoints import without_secrets
from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.errors import LaunchError
from devenv.tracing.launch.program_name import service_name as name_of
from devenv.tracing.process.versions import SLOTS
from devenv.tracing.settings import Settings

STARTUP = Path(__file__).resolve().parents[1] / "startup"
DEFAULT_ENDPOINT = "http://127.0.0.1:4318"
CONFIG, LEAVE_OUT, LIBRARIES = "DEVENV_TRACING_CONFIG", "DEVENV_TRACING_LEAVE_OUT", "DEVENV_TRACING_LIBRARIES"

_LIGHT_DEPENDENCIES = ("opentelemetry", "google", "yaml")
_PROBE_S = 0.2
_HASH_LENGTH = 6  # of the directory in a project's ID, as in devenv.model.identity
# Nothing is sent that a trace backend rejects, as `devenv up` sets services.
_SIGNALS = {"OTEL_METRICS_EXPORTER": "/v1/metrics", "OTEL_LOGS_EXPORTER": "/v1/logs"}


@dataclass(frozen=True, **SLOTS)
class Program:
    """A program that is ready to run.

    Attributes:
        path: The executable file.
        command: The command and its arguments.
        environ: Its environment.
        notes: Messages for the user, such as that the OTLP receiver does not respond.
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
    """Find the program, and create the environment in which it and its children are traced.

    Args:
        command: The command and its arguments.
        environ: The base environment; its OTEL_* variables are kept.
        directory: Where the program runs.
        config: config.yaml to read the `tracing` section from. Default: DEVENV_TRACING_CONFIG.
        service_name: Service name. Default: OTEL_SERVICE_NAME, the config's, or a name derived from the command.
        leave_out: Libraries not to trace, as for `auto`.
        endpoint: Base URL of the OTLP receiver if no setting names one. Default: http://127.0.0.1:4318.

    Raises:
        LaunchError: If the command is not found or is not executable.
        ConfigError: If the configuration is wrong, or a name in `leave_out` is unknown.
    """
    path = _executable(command, environ)
    check_names(leave_out)
    given = {**environ, "OTEL_SERVICE_NAME": service_name} if service_name else dict(environ)
    config = config or environ.get(CONFIG) or None
    settings = resolve(config, environ=given)
    endpoint = (endpoint or DEFAULT_ENDPOINT).rstrip("/")
    found = environment(given, config=config, leave_out=leave_out)
    found["OTEL_EXPORTER_OTLP_PROTOCOL"] = found.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
    if not _is_set(settings, "service_name"):
        found["OTEL_SERVICE_NAME"] = name_of(command, directory, environ)
    if not _is_set(settings, "schedule_delay_ms"):
        found["OTEL_BSP_SCHEDULE_DELAY"] = "200"
    if not _is_set(settings, "endpoint"):
        found["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
    else:
        endpoint = settings.endpoint
    for variable, signal_path in _SIGNALS.items():
        if not found.get(variable) and not takes(found.get("OTEL_EXPORTER_OTLP_ENDPOINT", ""), signal_path):
            found[variable] = "none"
    unheard = settings.enabled and "otlp" in settings.exporter and not answers(endpoint)
    shown = without_secrets(endpoint)
    note = f"no OTLP receiver responds at {shown}; traces may be lost until one does (hint: run `devenv up`)"
    return Program(path, tuple(command), found, (note,) if unheard else ())


def environment(
    environ: Mapping[str, str],
    *,
    config: str | Path | None = None,
    service_name: str = "",
    leave_out: Collection[str] = (),
) -> dict[str, str]:
    """Return the environment in which every Python program is traced, its children included.

    Args:
        environ: The base environment.
        config: config.yaml to read the `tracing` section from.
        service_name: Service name if `OTEL_SERVICE_NAME` is not set.
        leave_out: Libraries not to trace.
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
    """Replace this process with the program: signals, terminal, standard streams and exit code are its own.

    Raises:
        LaunchError: If the system cannot execute it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    for name in ("SIGPIPE", "SIGXFSZ"):  # ignored by Python, and the program would inherit that
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execve(program.path, program.command, program.environ)  # noqa: S606 - no shell is wanted
    except OSError as error:
        raise LaunchError(f"cannot execute {program.path}: {error.strerror}", _interpreter_hint(program)) from error


def recorded_endpoint(directory: Path) -> str:
    """Return the OTLP receiver of a directory's running project, from the record of `devenv up`; empty without one.

    A record that came with a clone must not send spans elsewhere: it counts if it is in this user's own directory, was
    written for this path, and names the loopback.
    """
    state = directory / ".devenv"
    try:
        found = state.lstat()
        record = json.loads((state / "project.json").read_text())
        url, written_for = str(record.get("otlp_http_url") or ""), str(record.get("id"))
    except (OSError, ValueError, AttributeError):  # no project, or a record with other fields: the default applies
        return ""
    own = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    path = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()
    return url if own and written_for.endswith(f"-{path[:_HASH_LENGTH]}") and _is_loopback(url) else ""


def answers(endpoint: str) -> bool:
    """Return whether a URL accepts connections; waits at most 0.2 s, a slow name server included."""
    return _probed(endpoint, lambda _connection: True)


def takes(endpoint: str, path: str) -> bool:
    """Return whether the receiver at a URL accepts an empty request of OTLP at a path; waits at most 0.2 s.

    A receiver with TLS or a login is not asked: it does not count as one that does.
    """
    parts = urlsplit(endpoint)
    head = f"POST {parts.path.rstrip('/')}{path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
    request = f"{head}Content-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n".encode("ascii", "replace")

    def ask(connection: socket.socket) -> bool:
        connection.sendall(request)
        return connection.recv(12).endswith(b" 200")

    return parts.scheme == "http" and _probed(endpoint, ask)


def _probed(endpoint: str, ask: Callable[[socket.socket], bool]) -> bool:
    parts = urlsplit(endpoint)
    found: list[bool] = []

    def connect() -> None:
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
            with socket.create_connection((parts.hostname or "", port), timeout=_PROBE_S) as connection:
                found.append(ask(connection))
        except (OSError, ValueError):  # ValueError: no port
            return

    probe = threading.Thread(target=connect, daemon=True)
    probe.start()
    probe.join(_PROBE_S)
    return any(found)


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _executable(command: Sequence[str], environ: Mapping[str, str]) -> str:
    if not command:
        raise LaunchError("no command given", "pass a command, such as `devenv run -- python app.py`")
    name = command[0]
    path = shutil.which(name, path=environ.get("PATH", os.defpath))
    if path is not None:
        return path
    if Path(name).is_file():
        hint = f"run `python {name}`, or `chmod +x {name}` and then `./{Path(name)}`"
        raise LaunchError(f"{name} is a file, not a command on the PATH", hint)
    where = "no such file" if os.sep in name else "not on the PATH"
    raise LaunchError(f"command {name!r} not found: {where}", "put the command and its arguments after --")


def _interpreter_hint(program: Program) -> str:
    return f"add an interpreter line (#!), or run `python {program.command[0]}`"


def _is_set(settings: Settings, field: str) -> bool:
    """Return whether the user set it, in the environment or in config.yaml; not a built-in profile or default."""
    origin = settings.origin(field)
    return origin != "default" and (not origin.startswith("profile ") or "(" in origin)


def _libraries() -> list[str]:
    """Return the folders of devenv and of the packages that its tracing needs, for interpreters without them."""
    folders = {str(STARTUP.parents[2]): None}
    for name in _LIGHT_DEPENDENCIES:
        spec = find_spec(name)
        for location in (spec.submodule_search_locations or ()) if spec is not None else ():
            folders.setdefault(str(Path(location).parent))
    return list(folders)
