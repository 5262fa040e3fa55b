"""Fixtures of the tests of the integrations with libraries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from devenv.tracing.process import patching
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
