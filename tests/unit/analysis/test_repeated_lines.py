"""A record that a service both prints and sends is shown once."""

from __future__ import annotations

from typing import Any

import pytest

from devenv.analysis.repeated_lines import once
from devenv.model.log import ServiceLine

TRACE, SPAN = "a" * 32, "b" * 16


def printed(text: str, time: float = 10.0, **more: Any) -> ServiceLine:
    fields: dict[str, Any] = {"service": "web", "instance": 1, "stream": "stdout", "trace_id": None, **more}
    return ServiceLine(text=text, time=time, **fields)


def sent(text: str, time: float = 10.0, **more: Any) -> ServiceLine:
    return printed(text, time, **{"stream": "otlp", "trace_id": TRACE, "span_id": SPAN, "severity": "WARN", **more})


def test_the_line_stays_and_learns_what_the_record_says() -> None:
    [line] = once([printed("WARN slow upstream")], [sent("slow upstream", 9.5, attributes={"n": 1})], whole=True)
    assert (line.text, line.stream, line.repeated) == ("WARN slow upstream", "stdout", True)
    assert (line.trace_id, line.span_id, line.severity, line.attributes) == (TRACE, SPAN, "WARN", {"n": 1})


@pytest.mark.parametrize(
    "record",
    [
        sent("slow", 13.0),
        sent("slow", service="auth"),
        sent("quick"),
        sent("slow", trace_id="c" * 32),
        sent("slow", span_id="d" * 16),
        sent(""),
    ],
)
def test_another_record_is_not_a_repetition(record: ServiceLine) -> None:
    line = printed("slow", trace_id=TRACE, span_id=SPAN)
    assert once([line], [record], whole=True) == [line, record]


def test_each_line_stands_for_one_record_the_nearest() -> None:
    lines = [printed("tick", 10.0), printed("tick", 11.0)]
    records = [sent("tick", 11.0, attributes={"n": 2}), sent("tick", 10.1, attributes={"n": 1}), sent("tick", 10.2)]
    found = once(lines, records, whole=True)
    assert [line.attributes for line in found] == [{"n": 1}, {"n": 2}, {}]
    assert [(line.repeated, line.logged) for line in found] == [(True, 10.1), (True, 11.0), (False, None)]


def test_output_that_is_read_late_is_known_by_its_own_time() -> None:
    late = printed('{"message": "done"}', 60.0, message="done", logged=10.0)
    assert len(once([late], [sent("done")], whole=True)) == 1
    assert len(once([printed("done", 60.0)], [sent("done")], whole=True)) == 2


def test_a_record_of_several_lines() -> None:
    lines = [printed("ERROR boom"), printed("Traceback"), printed("ValueError")]
    record = sent("boom\nTraceback\nValueError", instance=0)
    found = once(lines, [record], whole=True)
    assert [line.text for line in found] == ["Traceback", "ValueError", record.text]
    assert (found[-1].instance, found[-1].repeated) == (1, True)
    assert [line.text for line in once(lines, [record], whole=False)] == [line.text for line in lines]


def test_many_lines_and_records_take_no_time() -> None:
    lines = [printed(f"line {number}", number / 10) for number in range(20_000)]
    records = [sent(f"line {number}", number / 10) for number in range(0, 20_000, 4)]
    assert len(once(lines, records, whole=True)) == 20_000
