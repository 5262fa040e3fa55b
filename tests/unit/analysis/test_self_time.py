"""Self time by hand."""

from __future__ import annotations

import pytest

from devenv.analysis.figures.self_time import outliving, self_time
from devenv.testing.spans import MS, SpanBuilder

PARENT = (0, 100)


@pytest.mark.parametrize(
    ("children", "own", "longer"),
    [
        pytest.param([], 100, 0, id="none"),
        pytest.param([(10, 30)], 70, 0, id="one"),
        pytest.param([(10, 30), (20, 40)], 50, 0, id="overlapping count once"),
        pytest.param([(10, 80), (20, 10)], 20, 0, id="within another"),
        pytest.param([(10, 20), (50, 20)], 60, 0, id="apart"),
        pytest.param([(90, 500)], 90, 1, id="outlives its parent"),
        pytest.param([(-50, 60)], 90, 0, id="begins before its parent"),
        pytest.param([(200, 10)], 100, 1, id="after its parent"),
        pytest.param([(0, 100)], 0, 0, id="all of it"),
    ],
)
def test_children_are_clipped_and_count_once(children: list[tuple[int, int]], own: int, longer: int) -> None:
    make = SpanBuilder(10**18)
    parent = make.span("parent", 1, at=PARENT[0], took=PARENT[1])
    below = [make.span("child", number, 1, at=at, took=took) for number, (at, took) in enumerate(children, 2)]
    assert self_time(parent, below) == own * MS
    assert outliving(parent, below) == longer
