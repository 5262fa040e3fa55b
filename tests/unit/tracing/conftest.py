from __future__ import annotations

import pytest

from devenv.tracing.light import notices


@pytest.fixture(autouse=True)
def _warnings_anew():
    """Each warning is logged once per process; here once per test."""
    notices.forget()
