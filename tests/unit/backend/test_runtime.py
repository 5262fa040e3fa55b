"""What the backend changes of the interpreter, and that it is as before afterwards."""

from __future__ import annotations

import gc

from devenv.backend.runtime import Runtime


def test_collections_are_rare_until_the_end() -> None:
    before = gc.get_threshold()
    runtime = Runtime()
    runtime.end()  # it has not begun: nothing to do
    runtime.begin()
    try:
        assert gc.get_threshold()[0] > 10 * before[0]
        assert gc.get_freeze_count() > 0
    finally:
        runtime.end()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0
