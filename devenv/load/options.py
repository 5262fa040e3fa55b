"""What a load run is asked to do, checked as far as that goes without a target."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from devenv.errors import UsageError
from devenv.model.extension import Scenario, parse_duration

MOST_REQUESTS = 50_000_000
"""More in one run would fill the disk with rows (64 bytes each)."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A ramp: within ``duration`` seconds the rate goes in a straight line to ``rps``; the first one starts at 0."""

    duration: float
    rps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """Options of one run; times in seconds.

    Attributes:
        rps: requests a second; not looked at where there are ``stages``.
        duration: how long requests are sent; not looked at where there are ``stages``.
        arrivals: ``uniform``: evenly spaced; ``poisson``: the same number at random instants.
        scenario: the request to send.
        target: base URL; the scenario's path is put behind its path.
        max_in_flight: a request that is due while so many wait for their answers is dropped and counted.
        timeout: for one request, from its sending.
        fail: thresholds, such as ``p99<250ms``.
        verify: look every request up in the trace backend afterwards.
        sampling: share of the requests that are sent with the sampled flag.
        seed: of the random arrivals; trace ids are always new, for two runs must not share traces.
    """

    rps: float | None = 50.0
    duration: float = 30.0
    stages: tuple[Stage, ...] = ()
    arrivals: Literal["uniform", "poisson"] = "uniform"
    scenario: Scenario
    scenario_name: str = "default"
    target: str
    max_in_flight: int = 1000
    timeout: float = 10.0
    fail: tuple[str, ...] = ()
    name: str | None = None
    verify: bool = True
    sampling: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not self.stages and not (self.rps and math.isfinite(self.rps) and self.rps > 0):
            raise UsageError(f"rate: found {self.rps}, expected requests a second above 0")
        for stage in self.stages or (Stage(self.duration, self.rps or 0.0),):
            if not (math.isfinite(stage.duration) and stage.duration > 0):
                raise UsageError(f"duration: found {stage.duration:g} s, expected more than 0")
            if not (math.isfinite(stage.rps) and stage.rps >= 0):
                raise UsageError(f"rate: found {stage.rps:g}, expected requests a second of 0 or more")
        if self.max_in_flight < 1:
            raise UsageError(f"requests in flight: found {self.max_in_flight}, expected at least 1")
        if not self.timeout > 0:
            raise UsageError(f"timeout: found {self.timeout:g} s, expected more than 0")
        if not 0 <= self.sampling <= 1:
            raise UsageError(f"sampling: found {self.sampling:g}, expected a ratio from 0 to 1")

    def record(self) -> dict[str, Any]:
        """The options as JSON-serialisable values, for the run's record; without the scenario's headers and body."""
        return {
            "rps": self.rps,
            "duration": self.duration,
            "stages": [[stage.duration, stage.rps] for stage in self.stages],
            "arrivals": self.arrivals,
            "scenario": self.scenario_name,
            "method": self.scenario.method,
            "path": self.scenario.path,
            "target": self.target,
            "max_in_flight": self.max_in_flight,
            "timeout": self.timeout,
            "fail": list(self.fail),
            "sampling": self.sampling,
            "seed": self.seed,
        }


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Stages as ``30s:50,1m:200``: each a duration and the rate that is reached at its end.

    Raises:
        UsageError: it cannot be read; the message names the column.
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
                hint="such as 30s:50,1m:200: a duration and the rate that is reached at its end",
                details={"column": column, "found": part},
            ) from error
        column += len(part) + 1
    return tuple(stages)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        raise ValueError("requests a second as a number") from None
    if not (math.isfinite(rate) and rate >= 0):
        raise ValueError("a rate of 0 or more")
    return rate
