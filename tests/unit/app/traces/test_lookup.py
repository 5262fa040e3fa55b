"""Trace IDs as arguments: what cannot be one is a usage error, before the backend is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.app.invocation import Invocation
from devenv.app.traces.exchange import collected
from devenv.app.traces.lookup import require_trace_id, show
from devenv.errors import UsageError


@pytest.mark.parametrize("text", ["zz", "", "a" * 33, "4bf92f35/../x", "\u202e12"])
async def test_what_is_no_trace_id_is_a_usage_error(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected 1 to 32 hexadecimal digits"):
        await show(Invocation(directory=tmp_path), text)
    with pytest.raises(UsageError, match="expected 1 to 32 hexadecimal digits"):
        await collected(Invocation(directory=tmp_path), ["ab", text])


@pytest.mark.parametrize("text", ["1", "ABCDEF", "4bf92f3577b34da6a3ce929d0e0e4736"])
def test_ids_in_either_case_and_without_leading_zeros_are_accepted(text: str) -> None:
    require_trace_id(text)
