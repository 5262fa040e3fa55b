"""``devenv agents list``, ``add`` and ``remove``: the use cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from devenv.app.agents.fetch import fetch, take
from devenv.app.agents.node_pack import has_these_starters
from devenv.errors import UnknownName
from devenv.model.agents import AgentPart, AgentsDocument
from devenv.orchestrate.agents.catalogue import AGENTS, NODE, agent_kind
from devenv.orchestrate.agents.store import AgentStore

if TYPE_CHECKING:
    from devenv.orchestrate.agents.store import Agent

Change = Literal["none", "added", "replaced", "removed"]


def list_agents(environ: Mapping[str, str]) -> AgentsDocument:
    """The agents that are there, and the languages whose agent is missing."""
    return _document(AgentStore.of_user(environ))


async def add_agent(
    language: str, *, environ: Mapping[str, str], tell: Callable[[str], None], file: Path | None = None
) -> AgentsDocument:
    """Fetch an agent by npm or Maven, or take it from a file.

    Args:
        language: of the services that it is for.
        environ: of npm and Maven; also names the folder of the agents.
        tell: gets a line before a download.
        file: to take it from, absolute; without one, an agent of the tested version that is there stays.

    Raises:
        UnknownName: If there is no agent for the language.
        UsageError: If the file is not such an agent.
        LockHeld: If another command changes the agents.
        EnvironmentFailure: If npm or Maven is missing or fails, or a file cannot be written.
    """
    kind = agent_kind(language)
    store = AgentStore.of_user(environ)
    with store.locked():
        before = store.find(kind)
        if before is not None and file is None and _is_current(before):
            return _document(store)
        with store.new_folder() as work, store.new_folder() as target:
            if file is None:
                tell(f"fetching {kind.package} {kind.version} with {kind.program}")
                version = await fetch(kind, work, target, environ=environ)
            else:
                version = take(kind, file, work, target)
            added = store.install(kind, target, version=version, source=str(file) if file else kind.program)
    same = before is not None and before.sha256 == added.sha256
    change: Change = "none" if same else "added" if before is None else "replaced"
    return _document(store, {added.kind.language: change})


def remove_agent(language: str, *, environ: Mapping[str, str]) -> AgentsDocument:
    """Remove an agent; what was removed is in the document.

    Raises:
        UnknownName: If there is no agent for the language, or it was not added.
        LockHeld: If another command changes the agents.
        EnvironmentFailure: If it cannot be removed.
    """
    kind = agent_kind(language)
    store = AgentStore.of_user(environ)
    found = store.find(kind)
    if found is None:
        raise UnknownName(
            f"the agent of {kind.title} is not there", hint=f"`devenv agents add {kind.language}` adds it"
        )
    with store.locked():
        store.remove(kind)
    return _document(store, removed=[_part(found, "removed")])


def _is_current(agent: Agent) -> bool:
    """Whether ``agents add`` of this version of devenv would give the same."""
    return agent.version == agent.kind.version and (agent.kind is not NODE or has_these_starters(agent.directory))


def _document(
    store: AgentStore, changes: Mapping[str, Change] | None = None, removed: Sequence[AgentPart] = ()
) -> AgentsDocument:
    there = store.agents()
    return AgentsDocument(
        directory=str(store.directory),
        agents=[_part(agent, (changes or {}).get(agent.kind.language, "none")) for agent in there],
        missing=[kind.language for kind in AGENTS if all(agent.kind is not kind for agent in there)],
        removed=list(removed),
    )


def _part(agent: Agent, change: Change) -> AgentPart:
    return AgentPart(
        language=agent.kind.language,
        version=agent.version,
        directory=str(agent.directory),
        source=agent.source,
        sha256=agent.sha256,
        size=agent.size,
        change=change,
    )
