"""The samplers `jaeger_remote` and `parentbased_jaeger_remote`: ask for the service's sampling strategy over HTTP.

Jaeger and the OpenTelemetry Collector serve it at port 5778
(https://www.jaegertracing.io/docs/1.76/architecture/sampling/#remote-sampling). A strategy is fetched when a decision
is due and the last one is old, by a thread that ends with the answer: an idle program does nothing, and a fork needs
nothing.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any
from urllib.parse import quote, urlsplit

from devenv.tracing.light.decision import LOW_64
from devenv.tracing.light.exceptions import described
from devenv.tracing.light.notices import warn_once

_log = logging.getLogger(__name__)

_TIMEOUT_S = 5.0
_LARGEST_ANSWER = 1 << 20
_MOST_OPERATIONS = 2000

Strategy = Callable[[str, str], bool]
"""Decides for a trace ID (32 hexadecimal digits) and a span's name."""


class RemoteSampler:
    """Decides by the strategy of a service, which is fetched again after each interval.

    Args:
        url: URL of the strategies, without the query.
        service: Name of the service.
        interval_s: Time between two requests, in seconds.
        initial: Ratio of traces to record until the first answer.
    """

    def __init__(self, url: str, service: str, interval_s: float, initial: float) -> None:
        self._url = url
        self._service = service
        self._interval_s = interval_s
        self._strategy = probability(initial)
        self._lock = threading.Lock()
        self._due = float("-inf")
        self._refresh()

    def should_sample(self, parent_context: Any, trace_id: int, name: str, *_: Any, **__: Any) -> Decided:
        """Return the decision in the form of an SDK sampler's result; the tracestate is the parent's."""
        from opentelemetry.trace import get_current_span

        state = get_current_span(parent_context).get_span_context().trace_state
        return Decided(self.sampled(f"{trace_id:032x}", name), state)

    def sampled(self, trace_hex: str, name: str) -> bool:
        """Decide, and fetch the strategy if it is due."""
        if monotonic() >= self._due:
            self._refresh()
        return self._strategy(trace_hex, name)

    def get_description(self) -> str:
        """Describe the sampler."""
        return f"RemoteSampler{{{self._url}}}"

    def fetch(self) -> None:
        """Fetch the strategy; the last one stays if that fails."""
        try:
            self._strategy = parse(_get(self._url, self._service))
        except Exception as error:  # noqa: BLE001 - logged; the last strategy stays
            warn_once(_log, "cannot get the sampling strategy from %s: %s", self._url, described(error))

    def _refresh(self) -> None:
        if not self._lock.acquire(blocking=False):
            return
        try:
            if monotonic() < self._due:
                return
            self._due = monotonic() + self._interval_s
            threading.Thread(target=self.fetch, name="devenv-tracing-sampler", daemon=True).start()
        except RuntimeError as error:  # the interpreter is ending, or the system's limit of threads is reached
            _log.debug("cannot start the sampler's thread: %s", error)
        finally:
            self._lock.release()


class Decided:
    """A sampler's result, in the SDK's shape: it is its own decision."""

    attributes: Mapping[str, Any] = {}

    def __init__(self, sampled: bool, trace_state: Any) -> None:
        self.trace_state = trace_state
        self._sampled = sampled

    @property
    def decision(self) -> Decided:
        """The decision."""
        return self

    def is_sampled(self) -> bool:
        """Return whether the span is exported."""
        return self._sampled

    def is_recording(self) -> bool:
        """Return whether the span is recorded."""
        return self._sampled


def probability(ratio: float) -> Strategy:
    """Decide by the trace ID, so that all services of a trace decide alike."""
    bound = round(min(1.0, max(0.0, ratio)) * (LOW_64 + 1))
    return lambda trace_hex, _name: int(trace_hex[16:], 16) < bound


def limited(per_second: float) -> Strategy:
    """Record at most so many traces per second; a quiet time saves up at most one second's."""
    lock = threading.Lock()
    most = max(per_second, 1.0)
    balance, at = most, monotonic()

    def decide(_trace_hex: str, _name: str) -> bool:
        nonlocal balance, at
        with lock:
            now = monotonic()
            balance, at = min(most, balance + (now - at) * per_second), now
            if balance < 1.0 or not per_second:
                return False
            balance -= 1.0
            return True

    return decide


def by_operation(strategies: Mapping[str, Any]) -> Strategy:
    """Decide by the span's name: a ratio for each, and for all a lower bound of traces per second."""
    lower = float(strategies.get("defaultLowerBoundTracesPerSecond") or 0.0)
    default = probability(float(strategies.get("defaultSamplingProbability") or 0.0))
    named = {
        str(one["operation"]): probability(float((one.get("probabilisticSampling") or {}).get("samplingRate") or 0.0))
        for one in (strategies.get("perOperationStrategies") or ())[:_MOST_OPERATIONS]
    }
    bounds: dict[str, Strategy] = {}

    def decide(trace_hex: str, name: str) -> bool:
        if named.get(name, default)(trace_hex, name):
            return True
        if not lower or (name not in bounds and len(bounds) >= _MOST_OPERATIONS):
            return False
        return bounds.setdefault(name, limited(lower))(trace_hex, name)

    return decide


def parse(answer: bytes) -> Strategy:
    """Return the strategy of an answer.

    Raises:
        ValueError: If the answer is not a sampling strategy.
    """
    document = json.loads(answer)
    if not isinstance(document, dict):
        raise ValueError("the answer is not an object")
    if document.get("operationSampling"):
        return by_operation(document["operationSampling"])
    if str(document.get("strategyType")) in {"1", "RATE_LIMITING"}:
        return limited(float(document["rateLimitingSampling"]["maxTracesPerSecond"]))
    if document.get("probabilisticSampling") is None:
        raise ValueError("the answer has no strategy")
    return probability(float(document["probabilisticSampling"].get("samplingRate") or 0.0))


def _get(url: str, service: str) -> bytes:
    import http.client

    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "localhost", parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request("GET", f"{parts.path}?service={quote(service)}", headers={"Accept": "application/json"})
        response = connection.getresponse()
        body = response.read(_LARGEST_ANSWER)
    finally:
        connection.close()
    if response.status != http.client.OK:
        raise ValueError(f"HTTP {response.status}")
    return body
