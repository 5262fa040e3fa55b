"""What puts tracing into services, by language."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from devenv.orchestrate.instrumentation.injection import Injection, Surroundings, python_injection
from devenv.orchestrate.instrumentation.python_library import python_library

if TYPE_CHECKING:
    from devenv.orchestrate.instrumentation.decision import Agents


def _python(surroundings: Surroundings) -> Injection:
    return python_injection(surroundings, python_library())


AGENTS: Agents = MappingProxyType({"python": _python})
"""A further language is one more entry."""
