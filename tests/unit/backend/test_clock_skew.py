"""Clock skew of a large trace is judged in short steps: others are served in between."""

from __future__ import annotations

from devenv.backend.query.clock_skew import TimedSpan, clock_skews, skew_steps

SPANS = 10_000


def name(number: int) -> bytes:
    return number.to_bytes(8, "big")


def test_a_large_trace_is_judged_in_steps() -> None:
    # Each span begins 5 ns before its parent, on another host, and lasts as long.
    spans = {
        name(at): TimedSpan(name(at - 1) if at > 1 else b"", 10**9 - 5 * at, 2 * 10**9 - 5 * at, f"host-{at % 2}")
        for at in range(1, SPANS + 1)
    }
    assert len(list(skew_steps(spans))) >= 2 * SPANS // 1000  # both passes: at most a thousand spans in a step
    assert clock_skews(spans) == {name(at): 5 for at in range(2, SPANS + 1)}


def test_a_large_trace_without_skew_is_judged_in_steps() -> None:
    spans = {name(at): TimedSpan(name(at - 1) if at > 1 else b"", at, 10**6 - at, "") for at in range(1, SPANS + 1)}
    assert len(list(skew_steps(spans))) >= SPANS // 1000
    assert clock_skews(spans) == {}
