"""What puts tracing into services, by language."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING

from devenv.orchestrate.agents.catalogue import JAVA, NODE, AgentKind
from devenv.orchestrate.agents.store import AgentStore
from devenv.orchestrate.instrumentation.agent_injections import java_injection, node_injection
from devenv.orchestrate.instrumentation.injection import Injection, Surroundings, python_injection, too_old_python
from devenv.orchestrate.instrumentation.python_library import python_library

if TYPE_CHECKING:
    from devenv.orchestrate.instrumentation.decision import Agents


def _node(surroundings: Surroundings) -> Injection | str:
    agent = AgentStore.of_user(os.environ).find(NODE)
    return node_injection(surroundings, agent) if agent is not None else _missing(NODE)


def _java(surroundings: Surroundings) -> Injection | str:
    agent = AgentStore.of_user(os.environ).find(JAVA)
    return java_injection(surroundings, agent) if agent is not None else _missing(JAVA)


def _missing(kind: AgentKind) -> str:
    return f"run `devenv agents add {kind.language}`, then `devenv up`, to trace it"


def _python(surroundings: Surroundings) -> Injection | str:
    return too_old_python(surroundings) or python_injection(surroundings, python_library())


AGENTS: Agents = MappingProxyType({"python": _python, "node": _node, "java": _java})
"""A further language is one more entry."""
