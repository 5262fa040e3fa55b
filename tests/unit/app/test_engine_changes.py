"""What an engine reports of instances that changed: exits and restarts also before the first trace, creations after."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.app.traces.engine_changes import engine_changes
from devenv.model.state import ObservedInstance, ObservedState, State


def changes(**fields: Any) -> list[tuple[str, str]]:
    """Changes from 100 to 200 s, of which the first trace began at 120."""
    given: dict[str, Any] = {"state": State.RUNNING, "started_at": 90.0, **fields}
    instance = ObservedInstance(id="1", name="web-1", service="web", index=1, config_hash="", **given)
    found = engine_changes(ObservedState(instances=(instance,)), 100.0, 200.0, first=120.0)
    return [(change.time[17:19], change.what) for change in found]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"started_at": 110.0}, []),
        ({"started_at": 130.0}, [("10", "was created and started")]),
        ({"started_at": 112.0, "finished_at": 111.0}, [("51", "ended"), ("52", "was restarted")]),
        ({"started_at": 130.0, "restarts": 2}, [("10", "was restarted")]),
        ({"state": State.EXITED, "finished_at": 105.0, "exit_code": 137}, [("45", "exited with 137")]),
        ({"state": State.EXITED, "finished_at": 105.0, "oom_killed": True}, [("45", "was killed: out of memory")]),
        ({"state": State.EXITED, "finished_at": 205.0, "exit_code": 1}, []),
        ({"state": State.CREATED, "started_at": None}, []),
    ],
)
def test_changes_of_an_instance(fields: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert changes(**fields) == expected
