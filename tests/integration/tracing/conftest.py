"""Fixtures of the tests of the integrations with libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.process import patching
from devenv.tracing.runtime import Tracing
from devenv.tracing.testing import Recording, recording


@pytest.fixture
def rec() -> Iterator[Recording]:
    """Tracing in memory."""
    with recording({"service_name": "lib"}) as made:
        yield made


@pytest.fixture
def patched() -> Iterator[None]:
    """Whatever the test patches in libraries is restored."""
    yield
    patching.restore_all()


@pytest.fixture
def upstream() -> Iterator[Any]:
    """An HTTP server that shows what it is asked."""
    from tracing_upstream import http_upstream

    with http_upstream() as made:
        yield made


@pytest.fixture
def set_up(collector: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Tracing]]:
    """Builds and installs a Tracing towards the collector, by default with the variables `ASKED` of the test's module.

    All is undone at the end.
    """
    made: list[Tracing] = []

    def build(environ: Mapping[str, str] = getattr(request.module, "ASKED", {}), **config: Any) -> Tracing:
        endpoint = {"exporter": {"endpoint": f"{collector.url}/v1/traces"}}
        made.append(Tracing(resolve({**endpoint, **config}, environ=environ)))
        made[-1].install()
        return made[-1]

    yield build
    for tracing in made:
        tracing.shutdown(0.5)
    patching.restore_all()
