"""The agents that devenv can put into services: OpenTelemetry's own, in the versions that are tested."""

from __future__ import annotations

from typing import Literal

from devenv.errors import UnknownName
from devenv.immutable import immutable

AgentLanguage = Literal["node", "java"]


@immutable(kw_only=True)
class AgentKind:
    """An agent that ``devenv agents add`` fetches.

    Attributes:
        language: of the services that it is for.
        title: the language's name in text.
        package: the name by which its program fetches it.
        version: the one that is fetched.
        program: what fetches it, with the user's own settings.
        entry: the file that a service loads, relative to the agent's folder.
        files: a word for what ``--from`` accepts.
    """

    language: AgentLanguage
    title: str
    package: str
    version: str
    program: str
    entry: str
    files: str


NODE = AgentKind(
    language="node",
    title="Node.js",
    package="@opentelemetry/auto-instrumentations-node",
    version="0.81.2",
    program="npm",
    entry="start.cjs",
    files="a folder with node_modules, or a tarball of one (.tar, .tgz, .tar.gz)",
)
JAVA = AgentKind(
    language="java",
    title="Java",
    package="io.opentelemetry.javaagent:opentelemetry-javaagent",
    version="2.33.1",
    program="mvn",
    entry="opentelemetry-javaagent.jar",
    files="a jar",
)
AGENTS: tuple[AgentKind, ...] = (NODE, JAVA)


def agent_kind(language: str) -> AgentKind:
    """Return the agent of ``language``.

    Raises:
        UnknownName: If devenv has none for it.
    """
    for kind in AGENTS:
        if kind.language == language:
            return kind
    raise UnknownName(
        f"no agent for {language!r}",
        hint="use node or java; Python services need none, because devenv has its own library",
        details={"found": language, "expected": [kind.language for kind in AGENTS]},
    )
