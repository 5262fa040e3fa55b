"""Fixtures of the contract tests."""

from __future__ import annotations

import pytest
from compose.program import compose_command


@pytest.fixture(scope="session")
def compose() -> list[str]:
    """The command of the compose plugin."""
    return compose_command()
