"""Decides for each service what traces it: the service itself, devenv, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from devenv.immutable import immutable
from devenv.orchestrate.instrumentation.injection import Injection, Surroundings
from devenv.orchestrate.instrumentation.own_tracing import sign_of_own_tracing
from devenv.orchestrate.instrumentation.recognition import Language, evidence_of, recognise

if TYPE_CHECKING:
    from devenv.contract.answers import ImageConfig
    from devenv.model.stack import Service, Stack
    from devenv.orchestrate.instrumentation.recognition import Evidence

By = Literal["own", "devenv", "none", "not needed"]

Agents = Mapping[Language, Callable[[Surroundings], Injection | str]]
"""What puts tracing into a service, by language; a text instead of an injection says why it is not possible."""

CONFIG_FILE = "OTEL_CONFIG_FILE"

_ECOSYSTEMS: dict[Language, str] = {
    "dotnet": "install OpenTelemetry .NET Automatic Instrumentation in its image, and start it with instrument.sh",
    "go": "add the OpenTelemetry SDK for Go and otelhttp to its code",
    "php": "install the PHP extension opentelemetry, and set OTEL_PHP_AUTOLOAD_ENABLED=true",
    "ruby": "add the gem opentelemetry-instrumentation-all, and call OpenTelemetry::SDK.configure(&:use_all)",
    "rust": "add the crates tracing-opentelemetry and opentelemetry-otlp to its code",
    "cpp": "add opentelemetry-cpp with its OTLP exporter to its code",
}
_NAMES = {
    "python": "Python",
    "node": "Node.js",
    "java": "Java",
    "dotnet": ".NET",
    "go": "Go",
    "php": "PHP",
    "ruby": "Ruby",
    "rust": "Rust",
    "cpp": "C++",
}
_UNKNOWN = "its language is not recognised: set up the OpenTelemetry SDK in it"


@immutable(kw_only=True)
class ServiceTracing:
    """Who traces a service.

    Attributes:
        by: ``own``: the service itself, as far as that can be seen; ``not needed``: infrastructure, which its callers'
            spans show; ``none``: it is not traced, and ``note`` says why.
        language: empty if it is not known.
        injection: what devenv adds; only with ``by`` ``devenv``.
    """

    by: By
    language: Language | Literal[""] = ""
    note: str = ""
    injection: Injection | None = None


def decide(
    service: Service,
    config: ImageConfig | None,
    *,
    agents: Agents,
    inherited: Mapping[str, str] | None = None,
    enabled: bool = True,
) -> ServiceTracing:
    """Return who traces a service.

    Args:
        service: as resolved from the stack file.
        config: of its image, if the engine has it.
        agents: what puts tracing in, by language.
        inherited: variables that the service has from this machine, as a process of it; ``None``: it is a container.
        enabled: devenv may add something to services.
    """
    evidence = evidence_of(service, config, processes=inherited is not None)
    found = recognise(evidence)
    language = found.language or ""
    if service.x.role == "trace-backend" or found.infrastructure is not None:
        return ServiceTracing(by="not needed", note=found.infrastructure or "trace backend")
    if not service.x.instrument:
        return ServiceTracing(by="none", language=language, note="x-devenv.instrument: false")
    own = sign_of_own_tracing(service, evidence)
    ineffective = _config_file_note(service, evidence.environment)
    if own:
        return ServiceTracing(by="own", language=language, note=_joined(own, ineffective))
    if found.language is None:
        return ServiceTracing(by="none", note=_joined(_UNKNOWN, ineffective))
    if line := _ECOSYSTEMS.get(found.language):
        return ServiceTracing(by="none", language=language, note=_joined(line, ineffective))
    if not enabled:
        return ServiceTracing(by="none", language=language, note="--no-instrument")
    injection = agents[found.language](_surroundings(service, evidence, inherited))
    if isinstance(injection, str):
        return ServiceTracing(by="none", language=language, note=_joined(injection, ineffective))
    return ServiceTracing(
        by="devenv", language=language, note=_joined(injection.note, ineffective), injection=injection
    )


def with_build_of_its_image(service: Service, stack: Stack) -> Service:
    """Return a service with the build of another one that builds its image: their Dockerfile is the same."""
    if service.build is not None or not service.image:
        return service
    others = (one.build for one in stack.services.values() if one.build is not None and one.image == service.image)
    return replace(service, build=next(others, None))


def name_of(language: str) -> str:
    """Return a language's name for people; empty for an unknown one."""
    return _NAMES.get(language, "")


def _surroundings(service: Service, evidence: Evidence, inherited: Mapping[str, str] | None) -> Surroundings:
    command = tuple(evidence.command)
    if inherited is None:
        return Surroundings(own=service.environment, beneath=evidence.environment, command=command)
    own = {**service.environment, **(service.x.process.env if service.x.process is not None else {})}
    return Surroundings(own=own, beneath=inherited, processes=True, command=command)


def _config_file_note(service: Service, image: Mapping[str, str]) -> str:
    """OpenTelemetry's declarative configuration takes the place of all other variables."""
    file = service.environment.get(CONFIG_FILE, image.get(CONFIG_FILE, ""))
    return f"{CONFIG_FILE} is set, so the other OTEL_ variables have no effect" if file else ""


def _joined(*notes: str) -> str:
    return "; ".join(filter(None, notes))
