"""Looks for signs that a service of a stack traces itself, if no span of any service has arrived.

A batch exporter may take long; only a service without any sign of tracing is certain to send nothing.
"""

from __future__ import annotations

import asyncio
import re
import shlex
from typing import TYPE_CHECKING

from devenv.errors import EnvironmentFailure
from devenv.model.state import State
from devenv.orchestrate.instrumentation.infrastructure import infrastructure_kind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devenv.contract.engine import Engine
    from devenv.model.stack import Service, Stack
    from devenv.model.state import ObservedInstance, ObservedState

LOOK_SECONDS = 4.0
"""Seconds for the look into one instance: what is not finished by then counts as a sign."""

_SIGN = re.compile(
    r"(?i)otel|opentelemetry|otlp|jaeger|zipkin|tracing|ddtrace|javaagent|devenv run|v1/traces|:431[78]\b"
)
_CONTENT = r"opentelemetry|otel[_.-]|otlp|jaeger|zipkin|ddtrace|devenv[._]tracing|micrometer.tracing|v1/traces|:431[78]"
_NAMES = ("*open*telemetry*", "otel*", "*[-_.]otel*", "*otlp*", "*jaeger*", "*zipkin*", "ddtrace*", "devenv_otel*")
_NEVER = ("/proc", "/sys", "/dev")
_SYSTEM = (
    *("/bin", "/boot", "/etc", "/lib", "/lib64", "/sbin", "/usr/bin", "/usr/include", "/usr/lib", "/usr/lib64"),
    *("/usr/libexec", "/usr/local/bin", "/usr/local/go", "/usr/local/include", "/usr/local/lib", "/usr/local/share"),
    *("/usr/sbin", "/usr/share", "/var/cache", "/var/lib", "/var/log"),
)
"""Directories of which only the names are read: they have installed packages, not a service's own code."""

_ANY_NAMES = ("node_modules", "site-packages", ".venv", "venv")
_NOT_READ = (".git", ".devenv", "__pycache__")
_NONE = b"devenv: none"


async def find_tracing_sign(stack: Stack, observed: ObservedState, engine: Engine) -> str:
    """Return the first sign of tracing in a stack; empty if it is certain that there is none.

    The stack file is read first: its ``OTEL_*`` variables, commands and own trace backend. Then each running service is
    looked into for tracing libraries and for code that names one. What cannot be looked into counts as a sign.

    Args:
        stack: as resolved from its files, before devenv adds tracing.
        observed: the running instances.
        engine: runs them.
    """
    if declared := _declared(stack):
        return declared
    backend = stack.trace_backend
    services = [s for s in stack.services.values() if s != backend and infrastructure_kind(s) is None]
    instances = [(s, i) for s in services for i in observed.of(s.name)[:1] if i.state is State.RUNNING]
    found = await asyncio.gather(*(_look_into(engine, service, instance) for service, instance in instances))
    return next(filter(None, found), "")


def _declared(stack: Stack) -> str:
    """The sign in the stack's files."""
    if stack.trace_backend is not None:
        return f"{stack.trace_backend.name} is a trace backend of the stack's own"
    if stack.x.canary is not None and stack.x.canary.services:
        return "x-devenv.canary.services names services with spans"
    for service in stack.services.values():
        for text in _texts(service):
            if _SIGN.search(text):
                return f"{service.name}: {text}"
    return ""


def _texts(service: Service) -> Iterable[str]:
    process = service.x.process
    own = {**service.environment, **(process.env if process else {})}
    yield from (f"{name}={value}" for name, value in own.items())
    yield shlex.join((*(service.entrypoint or ()), *(service.command or ())))
    if process is not None:
        yield process.command if isinstance(process.command, str) else shlex.join(process.command)


async def _look_into(engine: Engine, service: Service, instance: ObservedInstance) -> str:
    """The sign inside one running instance; empty if there is none."""
    name = service.name
    if engine.capabilities.processes:
        words = service.x.process.command if service.x.process else ()
        program = (*(shlex.split(words) if isinstance(words, str) else words), "")[0]
        command = look(program, ("./",), containers=False)
    else:
        mounted = (mount.target for mount in service.mounts if mount.kind != "tmpfs")
        command = look("", ("/", *mounted), containers=True)
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            result = await engine.exec(instance.id, command)
    except (TimeoutError, EnvironmentFailure) as error:
        return f"{name}: cannot be looked into: {str(error) or 'timeout'}"
    if result.exit_code == 0 and result.output.strip() == _NONE:
        return ""
    text = result.output.decode(errors="replace").strip()
    return f"{name}: {text}" if result.exit_code == 0 else f"{name}: cannot be looked into: {text}"


def look(program: str, directories: Iterable[str], *, containers: bool) -> tuple[str, ...]:
    """The command that prints the first sign in files.

    Args:
        program: of the service, unless its processes are those of a container.
        directories: where its files are.
        containers: it runs in a container, so that all processes there belong to the service.
    """
    never = _pruned(_NEVER, _NOT_READ)
    names = " -o ".join(f"-iname {shlex.quote(pattern)}" for pattern in _NAMES)
    content = _pruned((*_NEVER, *_SYSTEM), (*_NOT_READ, *_ANY_NAMES))
    programs = "/proc/[0-9]*/exe" if containers else '"$(command -v "$program")"'
    script = f"""
LC_ALL=C; export LC_ALL; program=$1; shift
command -v find >/dev/null && command -v grep >/dev/null && command -v head >/dev/null || exit 127
sign=$(find "$@" -xdev {never} -prune -o \\( {names} \\) -print 2>/dev/null | head -n 1)
[ -n "$sign" ] || sign=$(grep -liE '{_CONTENT}' {programs} 2>/dev/null | head -n 1)
[ -n "$sign" ] || sign=$(find "$@" -xdev {content} -prune -o \
 -type f ! -name '*.md' ! -name '*.log' -exec grep -liE '{_CONTENT}' {{}} + 2>/dev/null | head -n 1)
echo "${{sign:-{_NONE.decode()}}}"
"""
    return ("/bin/sh", "-c", script, "look", program, *directories)


def _pruned(paths: Iterable[str], names: Iterable[str]) -> str:
    tests = [*(f"-path {path}" for path in paths), *(f"-name {name}" for name in names)]
    return f"\\( {' -o '.join(tests)} \\)"
