"""Signs, in what is read without running anything, that a service traces itself.

Variables such as ``OTEL_TRACES_EXPORTER`` do not count: they have no effect on a program without an SDK.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.disk import read_regular_file
from devenv.stack.dockerfile import dockerfile_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.model.stack import Build, Service
    from devenv.orchestrate.instrumentation.recognition import Evidence

_STARTS_TRACING = re.compile(
    r"opentelemetry-instrument\b|devenv run\b|devenv[./]tracing\b|ddtrace-run|newrelic-admin"
    r"|auto-instrumentations-node|@opentelemetry/|dd-trace|elastic-apm-node"
    r"|-javaagent:\S*(?:opentelemetry|otel|elastic-apm|dd-java-agent|dd-trace|skywalking|newrelic|applicationinsights)"
    r"|opentelemetry/instrumentation/auto_instrumentation"
)
_DEPENDENCY = re.compile(
    r"opentelemetry[-_](?:sdk|distro)\b|devenv-otel\b|\bddtrace\b|elastic-apm\b"
    r"|@opentelemetry/(?:sdk|auto-instrumentations)[-\w]*|dd-trace\b|@vercel/otel|spring-boot-starter-opentelemetry"
    r"|opentelemetry-spring-boot-starter|quarkus-opentelemetry"
)
_OPTIONS = ("NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "JAVA_OPTS", "PYTHONPATH")
_MANIFESTS = ("requirements.txt", "requirements/*.txt", "pyproject.toml", "Pipfile", "package.json", "pom.xml")
_MANIFESTS_OF_GRADLE = ("build.gradle", "build.gradle.kts")
_MAXIMUM_BYTES = 256 * 1024
"""Of a file that lists dependencies."""


def sign_of_own_tracing(service: Service, evidence: Evidence) -> str:
    """Return what shows that a service traces itself; empty if nothing does.

    Args:
        service: as resolved from the stack file.
        evidence: its command and the environment of its image.
    """
    if found := _STARTS_TRACING.search(shlex.join(evidence.command)):
        return f"its command has {found[0]}"
    environment: Mapping[str, str] = {**evidence.environment, **service.environment}
    for variable in _OPTIONS:
        if found := _STARTS_TRACING.search(environment.get(variable, "")):
            return f"{variable} has {found[0]}"
    return _sign_of_build(service.build) if service.build is not None else ""


def _sign_of_build(build: Build) -> str:
    text = dockerfile_text(build) or ""
    if found := _STARTS_TRACING.search(text) or _DEPENDENCY.search(text):
        return f"its Dockerfile has {found[0]}"
    context = Path(build.context)
    if not context.is_dir():  # a repository
        return ""
    for pattern in (*_MANIFESTS, *_MANIFESTS_OF_GRADLE):
        for path in sorted(context.glob(pattern)):
            if found := _DEPENDENCY.search(_content(path)):
                return f"{posixpath.relpath(path, context)} has {found[0]}"
    return ""


def _content(path: Path) -> str:
    try:
        return read_regular_file(path, _MAXIMUM_BYTES).decode(errors="replace")
    except OSError:  # what cannot be read shows nothing; a build that needs it says so
        return ""
