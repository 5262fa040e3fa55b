"""Measures the commands of pymongo, which tells the duration of each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from devenv.tracing.active import state
from devenv.tracing.integrations.databases.pymongo import Commands, described, is_silent, not_written
from devenv.tracing.light.shared import Shared
from devenv.tracing.metrics.statements import inside, values_of
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.spans import error_type

_PLACE = "the duration of a command"
_MOST = 10_000
"""Commands that are kept: old versions do not tell the end of one whose task was cancelled."""

_open: dict[tuple[int, Any], Shared] = {}


def install() -> None:
    """Measure each command that our integration traces."""
    replace(Commands, "started", _starting)
    replace(Commands, "succeeded", _succeeding)
    replace(Commands, "failed", _failing)


def _starting(original: Callable[[Commands, Any], None]) -> Callable[[Commands, Any], None]:
    def started(self: Commands, event: Any) -> None:
        original(self, event)
        _note(event)

    return started


def _note(event: Any) -> None:
    try:
        if state.meter is None or inside.get() or is_silent(event):
            return
        if len(_open) >= _MOST:
            _open.clear()
        _open[event.request_id, event.connection_id] = described(event)[1]
    except Exception as error:  # noqa: BLE001 - logged
        fault(_PLACE, error)


def _succeeding(original: Callable[[Commands, Any], None]) -> Callable[[Commands, Any], None]:
    def succeeded(self: Commands, event: Any) -> None:
        original(self, event)
        _record(event, _refused)

    return succeeded


def _failing(original: Callable[[Commands, Any], None]) -> Callable[[Commands, Any], None]:
    def failed(self: Commands, event: Any) -> None:
        original(self, event)
        _record(event, _failure)

    return failed


def _record(event: Any, failure: Callable[[Any], tuple[str | None, str | None]]) -> None:
    """Record the duration of a command that has been noted; does not raise."""
    try:
        meter = state.meter
        shared = _open.pop((event.request_id, event.connection_id), None)
        if meter is not None and shared is not None:
            meter.database((*values_of(shared)[:-2], *failure(event)), event.duration_micros / 1e6)
    except Exception as error:  # noqa: BLE001 - logged
        fault(_PLACE, error)


def _refused(event: Any) -> tuple[str | None, str | None]:
    """Return `db.response.status_code` and `error.type` of a command that succeeded; its reply can list errors."""
    code = not_written(event)
    return (None, None) if code is None else (str(code), str(code))


def _failure(event: Any) -> tuple[str | None, str | None]:
    """Return the same of a command that failed."""
    code = event.failure.get("code")
    exception = sys.exc_info()[1]  # pymongo calls its listeners while it handles the exception
    kind = error_type(exception) if exception is not None else str(event.failure.get("errtype") or code or "_OTHER")
    return None if code is None else str(code), kind
