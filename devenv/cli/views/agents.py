"""Tracing agents for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from devenv.cli.output import Output
    from devenv.model.agents import AgentsDocument


def show_agents(document: AgentsDocument, output: Output) -> None:
    """One line for each agent, then the commands that add the missing ones."""
    for agent in (*document.removed, *document.agents):
        change = "" if agent.change == "none" else f"{agent.change}: "
        output.line(
            f"{change}{agent.language} {agent.version}  {agent.size / 2**20:.1f} MiB, from {agent.source}, "
            f"sha256 {agent.sha256[:12]}"
        )
    for language in document.missing:
        output.line(f"{language}: not there; `devenv agents add {language}` adds it")
