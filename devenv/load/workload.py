"""What a run sends, and where to: its options, resolved with the stack."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from devenv.errors import UsageError
from devenv.http.origin import Origin
from devenv.immutable import immutable
from devenv.load.options import LoadOptions
from devenv.load.redaction import redacted_path
from devenv.model.extension import Scenario


@immutable(kw_only=True)
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
        if _parts(self.target).query:
            raise UsageError(
                "target: found a query, expected a base URL",
                hint="add a scenario whose path has the query to x-devenv.load.scenarios",
            )
        if not 0 <= self.sampling <= 1:
            raise UsageError(f"sampling: found {self.sampling:g}, expected a ratio from 0 to 1")

    @property
    def origin(self) -> Origin:
        """The target's scheme, host, port and path."""
        return Origin.parse(self.target)

    @property
    def shown_target(self) -> str:
        """The target without user information and secrets, for output and the saved run."""
        origin = self.origin
        return f"{origin.scheme}://{origin.authority}{redacted_path(origin.path)}"

    @property
    def request(self) -> Scenario:
        """The scenario's request, with the target's user information as basic authentication (RFC 7617)."""
        parts = urlsplit(self.target)
        if parts.username is None or any(name.lower() == "authorization" for name in self.scenario.headers):
            return self.scenario
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        credentials = f"Basic {b64encode(pair.encode()).decode()}"
        return self.scenario.model_copy(update={"headers": {**self.scenario.headers, "authorization": credentials}})


def whole_url(url: str) -> Workload:
    """Return the workload of GET requests to ``url`` with its path and query; of any server, without a scenario.

    Raises:
        UsageError: If it is not an ``http://`` or ``https://`` URL.
    """
    parts = _parts(url)
    path = parts.path or "/"
    scenario = Scenario(path=f"{path}?{parts.query}" if parts.query else path)
    return Workload(scenario=scenario, scenario_name="GET", target=f"{parts.scheme}://{parts.netloc}")


def _parts(target: str) -> SplitResult:
    """Return the parts of a target, with a valid host and port.

    Raises:
        UsageError: If it is not an ``http://`` or ``https://`` URL; the message has no user information.
    """
    try:
        Origin.parse(target)
        return urlsplit(target)
    except ValueError as error:
        shown = re.sub(r"^(\w+:)?(//)?.*@", r"\1\2", target)
        raise UsageError(
            f"target: not an http:// or https:// URL with a valid port: {shown!r}",
            hint="pass a URL such as http://127.0.0.1:8080",
        ) from error


def options_record(options: LoadOptions, workload: Workload) -> dict[str, Any]:
    """Options and workload as JSON-serialisable values, for the run's record.

    The scenario's headers and body are left out, as they may contain secrets; path and target are redacted.
    """
    return {
        "rps": options.rps,
        "duration": options.duration,
        "stages": [[stage.duration, stage.rps] for stage in options.stages],
        "arrivals": options.arrivals,
        "scenario": workload.scenario_name,
        "method": workload.scenario.method,
        "path": redacted_path(workload.scenario.path),
        "target": workload.shown_target,
        "max_in_flight": options.max_in_flight,
        "timeout": options.timeout,
        "fail": list(options.fail),
        "sampling": workload.sampling,
        "seed": options.seed,
    }
