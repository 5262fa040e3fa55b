"""``devenv doctor``: checks the machine and the project, and says how to fix what is wrong."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from typing import TYPE_CHECKING

from devenv.app.engines import INIT_HINT, connect, missing_images
from devenv.app.environment.port_checks import checks_before_start, port_checks
from devenv.app.invocation import LoadedStack, read_stack_in_background
from devenv.app.required_images import cannot_be_built_here
from devenv.app.session import Running, running
from devenv.app.traces.called_services import services_without_spans
from devenv.app.traces.setup_warnings import setup_warnings
from devenv.app.urls import trace_backend
from devenv.errors import DevenvError, EngineUnavailable
from devenv.installation import find_installation
from devenv.model.listings import CheckPart, DoctorDocument

if TYPE_CHECKING:
    from devenv.app.invocation import Invocation

GIB = 2**30
LEAST_DISK = 2 * GIB
LEAST_PYTHON = (3, 11)


async def doctor(invocation: Invocation) -> DoctorDocument:
    """Run all checks; changes nothing and raises nothing, because every fault becomes a line."""
    checks = [_python(), _distribution(), _disk(invocation)]
    loaded, stack_check = await _stack(invocation)
    checks.append(stack_check)
    engine_checks = await _engine(invocation, loaded)
    if loaded is not None:
        checks += _tracing(loaded)
    checks += engine_checks
    return DoctorDocument(checks=[*checks, *await _project(invocation, loaded)])


def verdict_code(document: DoctorDocument) -> int:
    """Exit code: 3 if a check is an error, else 0."""
    return 3 if any(check.verdict == "error" for check in document.checks) else 0


def _distribution() -> CheckPart:
    installation = find_installation()
    if not installation.warning:
        return CheckPart(name="distribution", verdict="ok", found=str(installation))
    found = f"{installation}; {installation.warning}"
    return CheckPart(name="distribution", verdict="warning", found=found, hint=installation.hint)


def _python() -> CheckPart:
    found = ".".join(str(part) for part in sys.version_info[:3])
    return CheckPart(name="python", verdict="ok" if sys.version_info >= LEAST_PYTHON else "error", found=found)


def _disk(invocation: Invocation) -> CheckPart:
    free = shutil.disk_usage(invocation.directory).free
    if free >= LEAST_DISK:
        return CheckPart(name="disk", verdict="ok", found=f"{free / GIB:.1f} GiB free")
    hint = "free space for images and runs; `docker system df` shows what Docker uses"
    return CheckPart(name="disk", verdict="warning", found=f"{free / GIB:.1f} GiB free", hint=hint)


async def _stack(invocation: Invocation) -> tuple[LoadedStack | None, CheckPart]:
    try:
        loaded = await read_stack_in_background(invocation)
    except DevenvError as error:
        return None, CheckPart(name="stack file", verdict="error", found=error.message, hint=error.hint)
    names = ", ".join(loaded.stack.services)
    return loaded, CheckPart(
        name="stack file", verdict="ok", found=f"{loaded.stack.files[0]}: {names}", hint=loaded.notice
    )


def _tracing(loaded: LoadedStack) -> list[CheckPart]:
    """Settings in the stack file that prevent traces."""
    return [
        CheckPart(name="tracing settings", verdict="warning", found=f"{warning.location}: {warning.message}")
        for warning in setup_warnings(loaded.stack, None)
    ]


async def _engine(invocation: Invocation, loaded: LoadedStack | None) -> list[CheckPart]:
    from devenv.model.identity import identify

    project = loaded.project if loaded else identify(invocation.directory)
    try:
        engine = await asyncio.wait_for(connect("docker", project, invocation.environ), 3.0)
    except TimeoutError:
        return [CheckPart(name="docker", verdict="warning", found="no response within 3 s")]
    except EngineUnavailable as error:
        return [CheckPart(name="docker", verdict="warning", found=error.message, hint=error.hint)]
    try:
        info = await engine.info()
        found = f"engine {info.version}, API {info.api_version}, {info.address}" + (" (remote)" if info.remote else "")
        checks = [CheckPart(name="docker", verdict="ok", found=found)]
        if loaded is not None:
            missing = await missing_images(engine, loaded.stack)
            verdict = CheckPart(name="images", verdict="ok", found="all available locally or from their registry")
            if why := cannot_be_built_here(loaded.stack):
                verdict = CheckPart(name="images", verdict="warning", found=why, hint=INIT_HINT)
            if missing:
                hint = "pull or build them, or check the registry; --engine auto falls back to the process engine"
                verdict = CheckPart(
                    name="images", verdict="warning", found=f"not available: {', '.join(missing)}", hint=hint
                )
            checks.append(verdict)
    finally:
        await engine.close()
    return checks


async def _project(invocation: Invocation, loaded: LoadedStack | None) -> list[CheckPart]:
    """The ports and the trace backend, of the running project if it runs."""
    checks: list[CheckPart] = []
    try:
        async with running(invocation) as project:
            if loaded is not None:
                checks += await port_checks(project.engine, loaded, project.observed)
            return [*checks, await _backend(project, loaded)]
    except DevenvError as error:
        if loaded is not None and not checks:
            checks += await checks_before_start(invocation, loaded)
        verdict = "skipped" if error.kind == "NotUp" else "error"
        backend = {"name": "trace backend", "verdict": verdict, "found": error.message, "hint": error.hint}
        return [*checks, CheckPart.model_validate(backend)]


async def _backend(project: Running, loaded: LoadedStack | None) -> CheckPart:
    from devenv.traces.client import TraceClient

    backend = await trace_backend(project.engine, project.observed, project.record.trace_backend)
    if backend is None:
        hint = "publish ports 16686 and 4318 of the trace backend service"
        return CheckPart(name="trace backend", verdict="error", found="not reachable from this machine", hint=hint)
    async with TraceClient(backend.query_url, token=backend.token) as client:
        services = await client.services()
        quiet: list[str] = []
        if loaded is not None:
            quiet = await services_without_spans(client, loaded.stack, project.observed, now=time.time())
    found = f"{backend.kind} at {backend.query_url} has spans from {', '.join(services) or 'no service yet'}"
    if services and quiet:
        found += f"; no spans yet from {', '.join(quiet)}"
    return CheckPart(name="trace backend", verdict="ok" if services else "warning", found=found)
