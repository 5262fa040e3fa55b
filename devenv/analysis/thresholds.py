"""Parses and evaluates --fail thresholds, such as `p99<250ms`, `errors<1%`, `traced==100%` or `score>=80`."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from devenv.errors import UsageError
from devenv.model.load_documents import ThresholdDocument
from devenv.model.run import Threshold
from devenv.suggestions import suggest

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_LATENCY = re.compile(r"(p50|p90|p95|p99|p999|max)(_service|_lag)?")
_LATENCIES = tuple(
    f"{point}{suffix}" for suffix in ("", "_service", "_lag") for point in ("p50", "p90", "p95", "p99", "p999", "max")
)
_MILLISECONDS = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3}
_UNITS: dict[str, dict[str, tuple[str, float]]] = {
    "errors": {"%": ("errors", 1.0), "": ("errors_count", 1.0)},
    "traced": {"%": ("traced", 1.0)},
    "rate": {"": ("rate", 1.0), "rps": ("rate", 1.0), "/s": ("rate", 1.0)},
    "dropped": {"": ("dropped", 1.0)},
    "budget": {"%": ("budget", 1.0)},
    "score": {"": ("score", 1.0)},
    "findings": {"": ("findings", 1.0)},
}
METRICS = (*_LATENCIES, "errors", "traced", "rate", "dropped")
"""What a load run measures."""
REPORT_METRICS = ("p50", "p90", "p95", "p99", "p999", "max", "errors", "rate", "budget")
"""What traces show."""
CHECK_METRICS = ("score", "findings")
"""What the checks of tracing result in."""
_TOKENS = re.compile(r"\s*([A-Za-z_][A-Za-z_0-9]*)\s*([<>=!]*)\s*([0-9]*\.?[0-9]*)\s*(\S*)\s*")


def parse_threshold(expression: str, metrics: Sequence[str] = METRICS) -> Threshold:
    """Parse an expression: a metric, a comparison, a number with its unit.

    Latencies (``p50`` … ``p999``, ``max``, each also with ``_service`` and ``_lag``) are in us, ms or s. ``errors`` is
    a percentage of the requests sent, or a number of requests. ``traced`` is a percentage, ``rate`` is requests per
    second, ``dropped`` is a number of requests, ``budget`` is a percentage of the error budget of objectives.
    ``score`` is the lowest score of a service (0 to 100), ``findings`` is their number.

    Args:
        expression: as the user wrote it.
        metrics: the metrics that are allowed.

    Raises:
        UsageError: If the expression is not valid; the message names the column.
    """
    found = _TOKENS.match(expression)
    if found is None:
        raise _unreadable(expression, 1, expression[:10], f"a metric: {', '.join(metrics)}")
    metric, comparison, number, _ = found.groups()
    if metric not in metrics:
        expected = f"known metrics: {', '.join(metrics)}"
        raise _unreadable(expression, found.start(1) + 1, metric, expected, suggest(metric, metrics))
    if comparison not in _OPERATORS:
        raise _unreadable(expression, found.start(2) + 1, comparison, f"one of {' '.join(_OPERATORS)}")
    if not any(character.isdigit() for character in number):
        raise _unreadable(expression, found.start(3) + 1, expression[found.start(3) :], "a number")
    units = {name: (metric, factor) for name, factor in _MILLISECONDS.items()}
    allowed = units if _LATENCY.fullmatch(metric) else _UNITS[metric]
    rest = expression[found.start(4) :].strip()
    if rest not in allowed:
        names = " or ".join(name or "nothing" for name in allowed)
        raise _unreadable(expression, found.start(4) + 1, rest, f"{names} after the number")
    name, factor = allowed[rest]
    return Threshold(expression=expression, metric=name, operator=comparison, limit=float(number) * factor)


def evaluate(thresholds: Iterable[Threshold], measured: Mapping[str, float | None]) -> list[ThresholdDocument]:
    """Return each threshold with its value and whether it is met; a missing value does not meet it."""
    return [_evaluated(threshold, measured.get(threshold.metric)) for threshold in thresholds]


def _evaluated(threshold: Threshold, value: float | None) -> ThresholdDocument:
    met = value is not None and _OPERATORS[threshold.operator](value, threshold.limit)
    return ThresholdDocument(expr=threshold.expression, value=value, ok=met)


def _unreadable(expression: str, column: int, found: str, expected: str, hint: str = "") -> UsageError:
    what = f"found {found!r}" if found else "found the end of the expression"
    return UsageError(
        f"threshold {expression!r}, column {column}: {what}, expected {expected}",
        hint=hint or "write a threshold such as 'p99<250ms', 'errors<1%' or 'rate>=49'",
        details={"expression": expression, "column": column, "found": found, "expected": expected},
    )
