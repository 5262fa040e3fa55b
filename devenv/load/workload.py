"""What a run sends, and where to: its options, resolved with the stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from devenv.errors import UsageError
from devenv.http.origin import Origin
from devenv.load.options import LoadOptions
from devenv.model.extension import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A run's request and target.

    Attributes:
        scenario: the request to send.
        scenario_name: its name in the stack.
        target: base URL; the scenario's path is appended to its path.
        sampling: ratio of the requests that are sent with the sampled flag.

    Raises:
        UsageError: If the target is not a base URL, or the ratio is out of range.
    """

    scenario: Scenario
    scenario_name: str = "default"
    target: str
    sampling: float = 1.0

    def __post_init__(self) -> None:
        try:
            Origin.parse(self.target)
        except ValueError as error:
            raise UsageError(f"target: {error}", hint="pass a URL such as http://127.0.0.1:8080") from error
        if not 0 <= self.sampling <= 1:
            raise UsageError(f"sampling: found {self.sampling:g}, expected a ratio from 0 to 1")

    @property
    def origin(self) -> Origin:
        """The target's scheme, host, port and path."""
        return Origin.parse(self.target)


def options_record(options: LoadOptions, workload: Workload) -> dict[str, Any]:
    """Options and workload as JSON-serialisable values, for the run's record.

    The scenario's headers and body are left out, as they may contain secrets.
    """
    return {
        "rps": options.rps,
        "duration": options.duration,
        "stages": [[stage.duration, stage.rps] for stage in options.stages],
        "arrivals": options.arrivals,
        "scenario": workload.scenario_name,
        "method": workload.scenario.method,
        "path": workload.scenario.path,
        "target": workload.target,
        "max_in_flight": options.max_in_flight,
        "timeout": options.timeout,
        "fail": list(options.fail),
        "sampling": workload.sampling,
        "seed": options.seed,
    }
