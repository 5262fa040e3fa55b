"""Options of a load run, checked when they are built."""

from __future__ import annotations

import math

from devenv.errors import UsageError
from devenv.immutable import immutable
from devenv.model.extension import parse_duration

MOST_REQUESTS = 50_000_000
"""More in one run would fill the disk with rows (64 bytes each)."""

ARRIVALS = ("uniform", "poisson")


@immutable()
class Stage:
    """A ramp: within ``duration`` seconds the rate changes linearly to ``rps``; the first one starts at 0."""

    duration: float
    rps: float


@immutable(kw_only=True)
class LoadOptions:
    """Options of one run, as the user gives them; times in seconds.

    Attributes:
        rps: requests per second; not used if there are ``stages``.
        duration: for how long requests are sent; not used if there are ``stages``.
        arrivals: ``uniform``: evenly spaced; ``poisson``: the same number at random instants.
        scenario: name of a scenario of the stack; ``None``: its default.
        target: base URL; ``None``: the entry point's.
        max_in_flight: a request that is due while this many wait for their responses is dropped and counted.
        timeout: for one request, from its sending.
        fail: thresholds, such as ``p99<250ms``.
        verify: look up every request in the trace backend afterwards.
        seed: of the random arrivals. Trace IDs are always new, as two runs must not share traces.

    Raises:
        UsageError: If a value is out of range.
    """

    rps: float = 50.0
    duration: float = 30.0
    stages: tuple[Stage, ...] = ()
    arrivals: str = "uniform"
    scenario: str | None = None
    target: str | None = None
    max_in_flight: int = 1000
    timeout: float = 10.0
    fail: tuple[str, ...] = ()
    name: str | None = None
    verify: bool = True
    seed: int | None = None

    def __post_init__(self) -> None:
        if self.arrivals not in ARRIVALS:
            raise UsageError(f"--arrivals: found {self.arrivals!r}, expected uniform or poisson")
        if not self.stages and not (self.rps and math.isfinite(self.rps) and self.rps > 0):
            raise UsageError(f"rate: found {self.rps}, expected a finite number of requests per second above 0")
        for stage in self.stages or (Stage(self.duration, self.rps),):
            if not (math.isfinite(stage.duration) and stage.duration > 0):
                raise UsageError(f"duration: found {stage.duration:g} s, expected more than 0")
            if not (math.isfinite(stage.rps) and stage.rps >= 0):
                raise UsageError(f"rate: found {stage.rps:g}, expected 0 or more requests per second")
        if self.max_in_flight < 1:
            raise UsageError(f"requests in flight: found {self.max_in_flight}, expected at least 1")
        if not self.timeout > 0:
            raise UsageError(f"timeout: found {self.timeout:g} s, expected more than 0")


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Parse stages such as ``30s:50,1m:200``: durations, each with the rate that is reached at its end.

    Raises:
        UsageError: If the text is not a list of stages; the message contains the column.
    """
    stages: list[Stage] = []
    column = 1
    for part in text.split(","):
        duration, separator, rate = part.partition(":")
        try:
            if not separator:
                raise ValueError("duration:rate")
            stages.append(Stage(parse_duration(duration.strip()), _rate(rate.strip())))
        except ValueError as error:
            raise UsageError(
                f"stages {text!r}, column {column}: found {part!r}, expected {error}",
                hint="write stages as DURATION:RATE, such as 30s:50,1m:200; "
                "the rate is reached at the end of the duration",
                details={"column": column, "found": part},
            ) from error
        column += len(part) + 1
    return tuple(stages)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        raise ValueError("a number of requests per second") from None
    if not (math.isfinite(rate) and rate >= 0):
        raise ValueError("a rate of 0 or more")
    return rate
