"""The pytest fixture `tracing`: add `pytest_plugins = ["devenv.tracing.pytest_plugin"]` to the top conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devenv.tracing.testing import Recording, recording


@pytest.fixture
def tracing() -> Iterator[Recording]:
    """Tracing that keeps spans in memory."""
    with recording() as made:
        yield made
