"""Runs the trace tests of OpenTelemetry's SDK, in a checkout of its repository, against the light provider.

usage: .ci/sdk_conformance.py CHECKOUT [TEST...]

In these tests, `opentelemetry.sdk.trace.TracerProvider` is the adapter below. Each failure has to be in the table of
docs/decisions/tracing-sdk-tests.md with its reason, and each entry of the table has to fail. A test that passes
without the adapter is about classes of the SDK itself, and does not count.
"""

from __future__ import annotations

import atexit
import dataclasses
import importlib
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource

from devenv.tracing.configuration.resolution import resolve
from devenv.tracing.light.choice import choose
from devenv.tracing.light.ids import CustomIds
from devenv.tracing.light.provider import LightProvider

ROOT = Path(__file__).parents[1]
REASONS = ROOT / "docs" / "decisions" / "tracing-sdk-tests.md"
FOLDERS = ("opentelemetry-sdk/tests/trace", "opentelemetry-api/tests/trace")
SOURCES = ("tests/opentelemetry-test-utils/src", "opentelemetry-sdk", "opentelemetry-api")
UNLIMITED = 1 << 30


class Adapter(LightProvider):
    """The light provider with the constructor of the SDK's."""

    made = 0

    def __init__(
        self,
        sampler: Any = None,
        resource: Resource | None = None,
        shutdown_on_exit: bool = True,
        active_span_processor: Any = None,
        id_generator: Any = None,
        span_limits: Any = None,
        **_unused: Any,
    ) -> None:
        Adapter.made += 1
        limits = span_limits or sdk.SpanLimits()
        settings = dataclasses.replace(
            resolve(None, environ=dict(os.environ)),
            trace_spans=0,
            span_attributes=_bound(limits.max_span_attributes),
            span_events=_bound(limits.max_events),
            span_links=_bound(limits.max_links),
            event_attributes=_bound(limits.max_event_attributes),
            link_attributes=_bound(limits.max_link_attributes),
            attribute_length=limits.max_attribute_length,
            span_attribute_length=limits.max_span_attribute_length,
        )
        made = resource if resource is not None else Resource.create({})
        ids = None if id_generator is None else CustomIds(id_generator)
        attributes = dict(made.attributes) if isinstance(made, Resource) else {}  # one test passes a mock
        super().__init__(settings, lambda: attributes, choose(settings, sampler), _nowhere, ids)
        self._sdk_resource = (attributes, made)
        if active_span_processor is not None:
            self.add_span_processor(active_span_processor)
        if shutdown_on_exit:
            atexit.register(self.shutdown)


def _nowhere(_span: object) -> None:
    """Export nothing: the tests read spans from their own processors."""


def _bound(limit: int | None) -> int:
    return UNLIMITED if limit is None else limit


class Counting:
    """Notes each test's outcome, and whether it used the adapter."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}
        self.errors: dict[str, str] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self) -> Any:
        """Run a test, and note whether it used the adapter."""
        self.before = Adapter.made
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note an outcome."""
        name = re.sub(r"^.*tests/trace/", "", report.nodeid)
        if report.failed:
            self.outcomes[name] = "failed"
            crash = getattr(report.longrepr, "reprcrash", None)
            self.errors[name] = crash.message.splitlines()[0][:160] if crash else str(report.longrepr)[-160:]
        elif report.when == "call":
            self.outcomes.setdefault(name, "passed" if Adapter.made > self.before else "passed without the provider")


def listed() -> dict[str, str]:
    """Return the tests that are known to fail, and why."""
    rows = re.findall(r"^\| `([^`]+)` \| (.+) \|$", REASONS.read_text(), re.MULTILINE) if REASONS.exists() else []
    return dict(rows)


def main(arguments: list[str]) -> int:
    """Run the tests; 1 if the failures are not those of the table."""
    checkout = Path(arguments[0]).resolve()
    sys.path[:0] = [str(checkout / source) for source in SOURCES]
    sdk.TracerProvider = Adapter  # type: ignore[assignment, misc] # that is what this script does
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # some tests start `python`
    reload = importlib.reload  # some tests reload the SDK's module, which would put its own provider back
    importlib.reload = lambda module: module if module is sdk else reload(module)  # type: ignore[assignment]
    counting = Counting()
    tests = arguments[1:] or [str(checkout / folder) for folder in FOLDERS]
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "--import-mode=importlib",
        "--tb=no",
        "-c",
        os.devnull,
    ]
    pytest.main([*options, f"--rootdir={checkout}", "-o", "asyncio_mode=auto", *tests], plugins=[counting])
    failed = {name for name, outcome in counting.outcomes.items() if outcome == "failed"}
    known = listed()
    for name in sorted(failed - known.keys()):
        print(f"not listed: {name}: {counting.errors[name]}")
    for name in sorted(known.keys() & (counting.outcomes.keys() - failed)):
        print(f"listed, but it passes: {name}")
    print(dict(Counter(counting.outcomes.values())), f"{len(failed & known.keys())} of the failures are listed")
    return 1 if failed - known.keys() or known.keys() & (counting.outcomes.keys() - failed) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
