"""The scheduled time of each request: pure functions of the options, independent of what happens during the run.

A run is a sequence of segments; in each, the rate changes linearly. With ``A(t)`` the number of arrivals
until ``t`` (the integral of the rate), request ``i`` of a uniform schedule is due when ``A(t) = i``. A Poisson process
of that rate, given its number of arrivals ``n``, is ``n`` uniform points on ``0..A(T)`` in order, mapped by the
same inverse.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from devenv.errors import UsageError
from devenv.immutable import immutable
from devenv.load.options import MOST_REQUESTS, LoadOptions
from devenv.model.counts import plural


@immutable()
class RateSegment:
    """Rate from ``start_rps`` to ``end_rps`` over ``duration`` seconds."""

    duration: float
    start_rps: float
    end_rps: float

    @property
    def arrivals(self) -> float:
        """Number of arrivals: the area under the rate."""
        return self.duration * (self.start_rps + self.end_rps) / 2

    def when(self, arrivals: float) -> float:
        """Return the seconds from the segment's start until ``arrivals`` are due.

        It is the root of a quadratic equation, in its numerically stable form.
        """
        if self.start_rps == self.end_rps:
            return min(arrivals / self.start_rps, self.duration) if self.start_rps else 0.0
        slope = (self.end_rps - self.start_rps) / self.duration
        under = max(self.start_rps**2 + 2 * slope * arrivals, 0.0)
        divisor = self.start_rps + math.sqrt(under)
        return min(2 * arrivals / divisor, self.duration) if divisor > 0 else 0.0


@immutable()
class Schedule:
    """All requests of a run.

    Attributes:
        count: exact number of requests.
        duration: seconds; every request is due before they end.
        seed: of random arrivals; ``None`` for evenly spaced ones.
    """

    segments: tuple[RateSegment, ...]
    count: int
    duration: float
    seed: int | None = None

    @property
    def mean_rps(self) -> float:
        """Requests per second, over the whole run."""
        return self.count / self.duration

    def offsets(self) -> Iterator[float]:
        """Yield the scheduled time of each request in seconds from the start, ascending; the same in every call."""
        total = sum(segment.arrivals for segment in self.segments)
        positions = _evenly(self.count) if self.seed is None else _at_random(self.count, total, self.seed)
        segments = iter(self.segments)
        segment, passed, begun = next(segments), 0.0, 0.0
        arrivals = segment.arrivals
        for position in positions:
            while position - passed >= arrivals and (following := next(segments, None)) is not None:
                passed += arrivals
                begun += segment.duration
                segment, arrivals = following, following.arrivals
            yield begun + segment.when(min(position - passed, arrivals))


def make_schedule(options: LoadOptions) -> Schedule:
    """Return the schedule of a run: ``rps * duration`` requests, or the area under its stages, rounded.

    Raises:
        UsageError: If the number of requests is zero or too large.
    """
    segments = _segments(options)
    duration = sum(segment.duration for segment in segments)
    count = round(sum(segment.arrivals for segment in segments))
    if not 1 <= count <= MOST_REQUESTS:
        raise UsageError(
            f"the run would send {plural(count, 'request')}, expected 1 to {MOST_REQUESTS}",
            hint="change the rate or the duration",
        )
    seed = None
    if options.arrivals == "poisson":
        seed = random.SystemRandom().getrandbits(32) if options.seed is None else options.seed
    return Schedule(segments, count, duration, seed)


def _segments(options: LoadOptions) -> tuple[RateSegment, ...]:
    if not options.stages:
        return (RateSegment(options.duration, options.rps, options.rps),)
    rates = [0.0, *(stage.rps for stage in options.stages)]
    return tuple(RateSegment(stage.duration, rates[index], stage.rps) for index, stage in enumerate(options.stages))


def _evenly(count: int) -> Iterator[float]:
    return (float(number) for number in range(count))


def _at_random(count: int, total: float, seed: int) -> Iterator[float]:
    """Yield ``count`` uniform points on ``0..total`` in ascending order.

    Of the ``n`` remaining points on ``x..total``, the lowest is at ``total - (total - x) * v**(1/n)`` with a uniform
    ``v``.
    """
    source = random.Random(seed)  # noqa: S311 - arrivals have to be repeatable, not secret
    left = total
    for remaining in range(count, 0, -1):
        left *= (1.0 - source.random()) ** (1.0 / remaining)
        yield total - left
