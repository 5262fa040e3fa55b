"""Process exits that `atexit` does not cover: `os.exec*`, and workers of `multiprocessing`.

Waiting spans are exported first, for at most three seconds. A process that is killed (`SIGKILL`, or `SIGTERM`
without a handler, which is also how `multiprocessing.Pool.terminate` ends its workers) or calls `os._exit` loses
the spans since the last export.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from devenv.tracing.active import state
from devenv.tracing.process.patching import replace

EXIT_TIMEOUT_S = 3.0

_log = logging.getLogger(__name__)
_LAST = -100  # multiprocessing's exit functions of a higher priority run before
_watched = False


def watch() -> None:
    """Export before each such exit of this process and of its forks. Further calls add only what is new."""
    global _watched  # noqa: PLW0603 - a hook at fork cannot be removed, so it is set once per process
    replace(os, "execv", _delivering)
    replace(os, "execve", _delivering)
    if not _watched:
        _watched = True
        os.register_at_fork(after_in_child=_in_worker)
    _in_worker()
    if started_by_multiprocessing():
        _at_worker_end(state)


def started_by_multiprocessing() -> bool:
    """Return whether this process is a worker of `multiprocessing`, which is imported in it then."""
    process = sys.modules.get("multiprocessing.process")
    return process is not None and process.parent_process() is not None


def _delivering(original: Callable[..., Any]) -> Callable[..., Any]:
    def execute(path: Any, *args: Any, **options: Any) -> Any:
        _flush(path)
        return original(path, *args, **options)

    return execute


def _flush(path: Any) -> None:
    try:
        tracing = state.tracing
        # `os.execvp` tries the folders of PATH in turn; only a call that can succeed is worth the wait.
        possible = isinstance(path, int) or os.access(path, os.X_OK)
        if possible and tracing is not None and not tracing.force_flush(EXIT_TIMEOUT_S):
            _log.warning("cannot export spans before exec: %s", tracing.stats())
    except Exception:  # noqa: BLE001 - logged; the program's exec must happen
        _log.warning("cannot export spans before exec", exc_info=True)


def _in_worker() -> None:
    """Register an exit function in a starting worker, because multiprocessing drops the earlier ones."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(state, _at_worker_end)


def _at_worker_end(_owner: object) -> None:
    """Register an exit function of multiprocessing, because workers end without `atexit`."""
    util: Any = sys.modules["multiprocessing.util"]
    util.Finalize(None, _shut_down, exitpriority=_LAST)


def _shut_down() -> None:
    try:
        tracing = state.tracing
        if tracing is not None:
            tracing.shutdown(EXIT_TIMEOUT_S)
    except Exception:  # noqa: BLE001 - logged; the worker ends as it would
        _log.warning("cannot export spans at the end of a worker", exc_info=True)
