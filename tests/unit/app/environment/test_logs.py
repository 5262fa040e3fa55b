"""The order of merged output."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from devenv.app.environment.logs import in_order, last_of_each
from devenv.model.log import ServiceLine


def line(service: str, time: float, text: str, instance: int = 1) -> ServiceLine:
    return ServiceLine(service=service, instance=instance, time=time, stream="stdout", text=text, trace_id=None)


def test_lines_are_in_order_of_time() -> None:
    lines = [line("b", 2.0, "third"), line("a", 1.001, "second"), line("b", 1.0, "first")]
    assert [each.text for each in in_order(lines)] == ["first", "second", "third"]


def test_within_a_millisecond_the_order_is_the_services_and_then_as_the_lines_came() -> None:
    sources = [
        [line("user", 1.0002, "u1"), line("user", 1.0001, "u2")],
        [line("auth", 1.0003, "a2.1", instance=2)],
        [line("auth", 1.0009, "a1.1"), line("auth", 1.0009, "a1.2")],
    ]
    for order in permutations(sources):
        found = [each.text for each in in_order(each for source in order for each in source)]
        assert found == ["a1.1", "a1.2", "a2.1", "u1", "u2"]


def test_a_line_that_was_also_sent_is_placed_by_its_record_in_a_trace() -> None:
    event = replace(line("web", 1.005, "event"), stream="event")
    repeated = replace(line("web", 1.009, "printed"), logged=1.002, repeated=True)
    assert [each.text for each in in_order([event, repeated], exact=True)] == ["printed", "event"]
    assert [each.text for each in in_order([event, repeated])] == ["event", "printed"]


def test_the_last_lines_of_each_instance() -> None:
    lines = [line("a", 1.0, "a1"), line("b", 2.0, "b1"), line("a", 3.0, "a2"), line("a", 4.0, "a3", instance=2)]
    assert [each.text for each in last_of_each(lines, 1)] == ["b1", "a2", "a3"]
    assert last_of_each(lines, 0) == []
    assert last_of_each(lines, 2) == lines
