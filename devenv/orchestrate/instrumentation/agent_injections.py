"""What is added to Node.js and Java services: OpenTelemetry's agent, with the options of the service kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from devenv.contract.specification import ADDED, FileTree
from devenv.orchestrate.instrumentation.injection import Injection
from devenv.otlp.backend_ports import SAMPLING_GRPC_PORT, SAMPLING_PORT

if TYPE_CHECKING:
    from devenv.orchestrate.agents.store import Agent
    from devenv.orchestrate.instrumentation.injection import Surroundings

_COMMON = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_PROPAGATORS": "tracecontext,baggage"}
_OF_NODE = {**_COMMON, "OTEL_NODE_RESOURCE_DETECTORS": "env,host"}
_OF_JAVA = {
    **_COMMON,
    # The command line of a process often contains secrets.
    "OTEL_JAVA_DISABLED_RESOURCE_PROVIDERS": "io.opentelemetry.instrumentation.resources.ProcessResourceProvider",
}
_SAMPLER_ARGUMENT = "OTEL_TRACES_SAMPLER_ARG"
_OF_SOURCE = {"OTEL_JAVAAGENT_ENABLED": "true"}
"""For `java Main.java`, whose main class is the compiler: the agent leaves tools of the JDK alone."""


def node_injection(surroundings: Surroundings, agent: Agent) -> Injection:
    """Return what starts the agent in every Node.js program of a service.

    Args:
        surroundings: environments; the options in NODE_OPTIONS are kept, after the one that loads the agent, as it has
            to come before the libraries that it traces.
        agent: of Node.js.
    """
    entry = _entry(surroundings, agent)
    if any(character in entry for character in ' "\\'):
        entry = '"{}"'.format(entry.replace("\\", "\\\\").replace('"', '\\"'))
    options = f"--require {entry} {surroundings.value('NODE_OPTIONS')}".rstrip()
    return _injection(surroundings, agent, {"NODE_OPTIONS": options}, _OF_NODE)


def java_injection(surroundings: Surroundings, agent: Agent) -> Injection:
    """Return what starts the agent in every Java program of a service.

    Args:
        surroundings: environments; the options in JAVA_TOOL_OPTIONS are kept, before the one that loads the agent.
        agent: of Java.
    """
    entry = _entry(surroundings, agent)
    if any(character.isspace() for character in entry):
        entry = f"'{entry}'"
    options = f"{surroundings.value('JAVA_TOOL_OPTIONS')} -javaagent:{entry}".lstrip()
    source = any(word.endswith(".java") for word in surroundings.command)
    defaults = {**_OF_JAVA, **(_OF_SOURCE if source else {})}
    changed = {"JAVA_TOOL_OPTIONS": options, **_asking_by_grpc(surroundings)}
    return _injection(surroundings, agent, changed, defaults)


def _asking_by_grpc(surroundings: Surroundings) -> dict[str, str]:
    """Java's sampler asks over gRPC, for which Jaeger has another port; the embedded backend has one for both."""
    given = surroundings.value(_SAMPLER_ARGUMENT)
    moved = given.replace(f":{SAMPLING_PORT},", f":{SAMPLING_GRPC_PORT},")
    return {} if surroundings.processes or moved == given else {_SAMPLER_ARGUMENT: moved}


def _entry(surroundings: Surroundings, agent: Agent) -> str:
    return str(agent.entry) if surroundings.processes else f"{_target(agent)}/{agent.kind.entry}"


def _target(agent: Agent) -> str:
    return f"{ADDED}/{agent.kind.language}"


def _injection(
    surroundings: Surroundings, agent: Agent, options: Mapping[str, str], defaults: Mapping[str, str]
) -> Injection:
    missing = {name: value for name, value in defaults.items() if not surroundings.value(name)}
    if surroundings.processes:
        return Injection(environment={**missing, **options})
    tree = FileTree(target=_target(agent), files=agent.files(), digest=agent.sha256)
    return Injection(environment={**missing, **options}, files=(tree,))
