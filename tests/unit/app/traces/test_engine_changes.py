"""What an engine reports of instances that changed: exits and restarts also before the first trace, creations after."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.analysis.failures.diagnosis import EngineHistory
from devenv.app.traces.incident.changes import change_parts, engine_changes, engine_history
from devenv.contract.answers import EngineEvent
from devenv.model.state import ObservedInstance, ObservedState, State


def changes(**fields: Any) -> list[tuple[str, str]]:
    """Changes from 100 to 200 s, of which the first trace began at 120."""
    given: dict[str, Any] = {"state": State.RUNNING, "started_at": 90.0, **fields}
    instance = ObservedInstance(id="1", name="web-1", service="web", index=1, config_hash="", **given)
    found = engine_changes(ObservedState(instances=(instance,)), 100.0, 200.0, first=120.0)
    return [(change.time[17:19], change.what) for change in change_parts(found)]


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


def event(time: float, action: str, code: int | None = None) -> EngineEvent:
    return EngineEvent(time=time, action=action, instance_id="1", service="web", index=1, exit_code=code)


def test_events_have_the_exits_that_a_restart_hides() -> None:
    instance = ObservedInstance(
        id="1", name="web-1", service="web", index=1, config_hash="", state=State.RUNNING, restarts=2,
        started_at=160.0, finished_at=159.5,
    )  # fmt: skip
    events = [
        event(110.0, "start"),
        event(149.0, "die", 3),
        event(150.0, "start"),
        event(159.4, "oom"),
        event(159.5, "die", 137),
        event(160.0, "start"),
    ]
    found = engine_changes(ObservedState(instances=(instance,)), 100.0, 200.0, first=120.0, events=events)
    assert [(change.time, change.what) for change in found] == [
        (149.0, "exited with 3"),
        (150.0, "was restarted"),
        (159.5, "was killed: out of memory"),
        (160.0, "was restarted"),
    ]
    assert engine_history(found, {"web": "shop-web"}) == EngineHistory(
        crashes={"shop-web": [(149 * 10**9, "exited with 3"), (round(159.5e9), "was killed: out of memory")]},
        starts={"shop-web": [150 * 10**9, 160 * 10**9]},
    )


@pytest.mark.parametrize(("code", "is_crash"), [(0, False), (143, False), (130, False), (1, True), (137, True)])
def test_an_exit_that_was_asked_for_is_no_crash(code: int, is_crash: bool) -> None:
    found = engine_changes(ObservedState(), 100.0, 200.0, first=120.0, events=[event(130.0, "die", code)])
    assert [change.is_crash for change in found] == [is_crash]
