"""Ends of a process that Python's `atexit` does not see: `os.exec*`, and workers of `multiprocessing`.

What waits for export is delivered first, for three seconds at most. A process that is killed (`SIGKILL`, or `SIGTERM`
without a handler, which is also how `multiprocessing.Pool.terminate` ends its workers) or calls `os._exit` takes with
it what it ended since the last export.
"""

from __future__ import annotations

import logging
import multiprocessing
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
    """Deliver before each such end of this process and of its forks. Called again it does what is new to do."""
    global _watched  # noqa: PLW0603 - a hook at fork cannot be taken back, so it is set once a process
    replace(os, "execv", _delivering)
    replace(os, "execve", _delivering)
    if not _watched:
        _watched = True
        os.register_at_fork(after_in_child=_in_worker)
    _in_worker()
    if multiprocessing.parent_process() is not None:
        _at_worker_end(state)


def _delivering(original: Callable[..., Any]) -> Callable[..., Any]:
    def execute(path: Any, *args: Any, **options: Any) -> Any:
        tracing = state.tracing
        # `os.execvp` tries one folder of PATH after the other; only the one that can succeed is worth waiting for.
        possible = isinstance(path, int) or os.access(path, os.X_OK)
        if possible and tracing is not None and not tracing.force_flush(EXIT_TIMEOUT_S):
            _log.warning("spans were not exported before exec: %s", tracing.stats())
        return original(path, *args, **options)

    return execute


def _in_worker() -> None:
    """Have an exit function in a worker that is about to begin, which makes multiprocessing forget earlier ones."""
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util.register_after_fork(state, _at_worker_end)


def _at_worker_end(_owner: object) -> None:
    """Multiprocessing's own exit functions run in workers, which end without `atexit`."""
    util: Any = sys.modules["multiprocessing.util"]
    util.Finalize(None, _shut_down, exitpriority=_LAST)


def _shut_down() -> None:
    tracing = state.tracing
    if tracing is not None:
        tracing.shutdown(EXIT_TIMEOUT_S)
