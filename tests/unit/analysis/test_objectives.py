"""Objectives worked by hand: verdict, error budget, burn rate."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from devenv.analysis.objectives.verdicts import Objectives, ObjectiveVerdict, targets
from devenv.analysis.tree import build_tree
from devenv.model.extension import Objective, parse_share
from devenv.model.span import SpanKind, Status
from devenv.model.trace import collect
from devenv.testing.spans import SpanBuilder

MINUTE = 60 * 10**9
START = 10**18


def verdicts(
    objective: dict[str, object], requests: list[tuple[int, int, bool]], minutes: int = 60
) -> list[ObjectiveVerdict]:
    """Of requests by minute, duration (ms) and whether they failed, of `web` `GET /`."""
    found = Objectives(targets({"web": Objective.model_validate(objective)}))
    for minute, took, failed in requests:
        make = SpanBuilder(START + minute * MINUTE)
        status = Status.ERROR if failed else Status.UNSET
        spans = [
            make.span("GET /", 1, took=took, service="web", kind=SpanKind.SERVER, status=status),
            make.span("inner", 2, 1, took=took, service="web", status=Status.ERROR),
            make.span("GET /", 3, 1, took=took, service="other", kind=SpanKind.SERVER, status=Status.ERROR),
        ]
        found.add(build_tree(collect(spans)[0]))
    return found.verdicts(START + minutes * MINUTE)


def test_an_error_budget_by_hand() -> None:
    """10 of 1,000 may fail; 4 did, 2 of them among the 100 of the last five minutes."""
    requests = [(1, 10, number < 2) for number in range(900)] + [(57, 10, number < 2) for number in range(100)]
    (found,) = verdicts({"availability": "99%"}, requests)
    assert (found.target.name, found.requests, found.bad, found.value, found.ok) == (
        "web availability",
        1000,
        4,
        0.996,
        True,
    )
    assert found.budget_left == pytest.approx(0.6)
    assert found.burn == pytest.approx(0.4)
    assert found.burn_recent == pytest.approx(2.0)


def test_a_latency_objective_counts_requests_without_an_error() -> None:
    requests = [(1, 10, False)] * 90 + [(1, 250, False)] * 10 + [(1, 900, True)] * 50
    (found,) = verdicts({"latency": {"under": "250ms", "share": 0.95}}, requests)
    assert (found.requests, found.bad, found.value, found.ok) == (100, 10, 0.9, False)
    assert found.budget_left == pytest.approx(-1.0)


def test_short_forms_mean_the_same() -> None:
    requests = [(1, 10, False)] * 99 + [(1, 900, True)]
    found = verdicts({"p50": "5ms", "p99": "1s", "errors": 0.01}, requests)
    assert [(each.target.name, each.target.share, each.target.under_s, each.ok) for each in found] == [
        ("web availability", 0.99, None, True),
        ("web latency", 0.5, 0.005, False),
        ("web latency", 0.99, 1.0, True),
    ]


def test_only_the_window_counts() -> None:
    (found,) = verdicts({"availability": 0.9, "window": "10m"}, [(1, 10, True)] * 5 + [(55, 10, False)] * 5)
    assert (found.requests, found.bad, found.ok, found.budget_left) == (5, 0, True, 1.0)


def test_without_requests_nothing_is_broken() -> None:
    for objective in ({"availability": 0.9}, {"availability": 0.9, "operation": "POST /"}):
        found = verdicts(objective, [] if len(objective) == 1 else [(1, 10, True)])[0]
        assert (found.value, found.ok, found.budget_left, found.burn, found.burn_recent) == (
            None,
            True,
            1.0,
            None,
            None,
        )


def test_an_objective_may_name_another_service() -> None:
    found = Objectives(targets({"checkout": Objective(service="web", operation="GET /", availability=0.9)}))
    make = SpanBuilder(START)
    found.add(build_tree(collect([make.span("GET /", 1, service="web", kind=SpanKind.SERVER)])[0]))
    assert [(each.target.name, each.requests) for each in found.verdicts(START + MINUTE)] == [
        ("checkout availability", 1)
    ]


@pytest.mark.parametrize(("text", "share"), [("99.9%", 0.999), (0.5, 0.5), ("0.95", 0.95), ("50 %", 0.5)])
def test_shares(text: object, share: float) -> None:
    assert parse_share(text) == share


@pytest.mark.parametrize("text", ["100%", 1, 0, "0%", "99.9", True, "x", "-1%", None])
def test_what_is_no_share(text: object) -> None:
    with pytest.raises(ValueError, match="a share above 0% and below 100%"):
        parse_share(text)


def test_an_objective_without_a_target_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least one of availability, latency"):
        Objective(operation="GET /")
