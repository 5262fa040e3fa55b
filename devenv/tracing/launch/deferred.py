"""Sets tracing up when the program first imports something that is traced: until then it costs a start almost nothing.

A program that uses OpenTelemetry or `devenv.tracing` itself finds tracing set up before the import of either.
"""

from __future__ import annotations

import atexit
from _thread import allocate_lock

from devenv.tracing.integrations.on_import import before_import, when_imported
from devenv.tracing.integrations.supported import INTEGRATIONS

TYPE_CHECKING = False  # as in devenv.tracing.integrations.on_import
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from devenv.tracing.runtime import Tracing

_WAIT_FOR_OTHERS = frozenset({"threads", "logging"})
"""Concern a program that is traced, and do not make it one: almost every program imports these libraries."""

_AT_ONCE = ("DEVENV_TRACING_CONFIG", "OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE")
"""Variables with files that may ask for more than traces."""

_SIGNALS = ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")
"""Variables of what has to be collected from the start."""


def can_wait(environ: Mapping[str, str]) -> bool:
    """Return whether nothing but traces is collected, for which there is no reason before the first span."""
    signals = all(environ.get(name, "").strip().lower() in ("", "none") for name in _SIGNALS)
    return signals and not any(environ.get(name) for name in _AT_ONCE)


def on_first_use(start: Callable[[], Tracing | None]) -> None:
    """Start tracing once, when the program first imports something that is traced.

    Args:
        start: Sets up tracing, also for the library whose import has just ended, and returns it; None if it cannot.
            It must not raise.
    """
    once = _Once(start)
    begin = once.begin
    # Before the exit functions of the program, so that it runs after them, and exports their spans, too.
    atexit.register(once.end)
    for name, library, _, _ in INTEGRATIONS:
        if name not in _WAIT_FOR_OTHERS:
            when_imported(library, name, begin)
    for package in ("opentelemetry", "devenv"):
        before_import(package, begin)


class _Once:
    """Calls a function once per program: also if its own imports ask again, or another thread does meanwhile."""

    def __init__(self, call: Callable[[], Tracing | None]) -> None:
        self._call = call
        self._lock = allocate_lock()  # never waited for: a thread that imports may hold what the first one needs
        self._finish: Callable[[], object] | None = None

    def begin(self) -> None:
        if self._lock.acquire(blocking=False):
            tracing = self._call()
            if tracing is not None:
                self._finish = tracing.leave_exit()

    def end(self) -> None:
        if self._finish is not None:
            self._finish()
