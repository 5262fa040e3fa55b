"""Properties of pacing: exact counts, ascending instants within the run, the integral of the rate."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from devenv.load.options import LoadOptions, Stage
from devenv.load.schedule import Schedule, make_schedule

STAGES = st.lists(
    st.builds(Stage, duration=st.floats(0.01, 20), rps=st.one_of(st.just(0.0), st.floats(0.1, 200))),
    min_size=1,
    max_size=4,
)


def schedule(stages: list[Stage], arrivals: str, seed: int) -> Schedule:
    area = sum(
        stage.duration * (before + stage.rps) / 2
        for before, stage in zip([0.0, *(stage.rps for stage in stages)], stages, strict=False)
    )
    assume(1 <= round(area) <= 3000)
    made = make_schedule(
        LoadOptions(
            stages=tuple(stages),
            arrivals=arrivals,
            seed=seed,
        )
    )
    assert made.count == round(area)
    return made


@settings(max_examples=100, deadline=None)
@given(STAGES, st.sampled_from(["uniform", "poisson"]), st.integers(0, 2**32))
def test_instants_ascend_within_the_run_and_are_exactly_as_many(stages: list[Stage], arrivals: str, seed: int) -> None:
    made = schedule(stages, arrivals, seed)
    offsets = list(made.offsets())
    assert len(offsets) == made.count
    assert all(before <= after + 1e-9 for before, after in pairwise(offsets))
    assert offsets[0] >= 0
    assert offsets[-1] <= made.duration


@settings(max_examples=100, deadline=None)
@given(STAGES, st.floats(0, 1))
def test_as_many_are_due_at_any_time_as_the_area_under_the_rate_says(stages: list[Stage], share: float) -> None:
    made = schedule(stages, "uniform", 0)
    moment = made.duration * share
    area, begun, rate = 0.0, 0.0, 0.0
    for stage in stages:
        inside = min(max(moment - begun, 0.0), stage.duration)
        area += inside * (rate + rate + (stage.rps - rate) * inside / stage.duration) / 2
        begun, rate = begun + stage.duration, stage.rps
    assert sum(offset < moment for offset in made.offsets()) == pytest.approx(area, abs=1.01)
