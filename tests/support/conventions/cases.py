"""The cases: for each integration, programs whose spans are held against the table."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from conventions.check import Expected

from devenv.tracing.testing import Recording

Steps = Iterator[list[Expected]] | AsyncIterator[list[Expected]]
"""What a case yields after each step: the spans that the step has made, by their start; internal ones are left out."""


@dataclass(frozen=True)
class Place:
    """Where a case runs.

    Attributes:
        rec: The recorded spans, without those of earlier steps.
        upstream: The HTTP server of the tests.
        server: The database server that the case needs.
    """

    rec: Recording
    upstream: SimpleNamespace
    server: Any = None


@dataclass(frozen=True)
class Case:
    """A program.

    Attributes:
        name: The integration's module, as `auto` has it, or the function of `devenv.tracing`.
        run: The program.
        needs: The kind of server that it needs.
    """

    name: str
    run: Callable[[Place], Steps]
    needs: str = ""


CASES: dict[str, Case] = {}
"""Cases by their names."""


def case(name: str, needs: str = "") -> Callable[[Callable[[Place], Steps]], Callable[[Place], Steps]]:
    """Add a case; several of one integration have a name with a part in brackets."""

    def add(run: Callable[[Place], Steps]) -> Callable[[Place], Steps]:
        assert name not in CASES, name
        CASES[name] = Case(name, run, needs)
        return run

    return add


def integration_of(name: str) -> str:
    """Return the integration of a case."""
    return name.partition(" [")[0]


@contextmanager
def raising(*kinds: type[BaseException]) -> Iterator[None]:
    """Expect an exception that the program gets."""
    try:
        yield
    except kinds:
        return
    raise AssertionError(f"no exception of {kinds}")
