"""Traces a program from its start: Python imports this module if its folder is first on PYTHONPATH.

`devenv.tracing.launch.program.environment` returns the variables for it. The program's own `sitecustomize` runs first.
The program may use another interpreter than devenv's; if that one has `devenv.tracing`, it is used.
"""
# ruff: noqa: INP001 - a folder for PYTHONPATH, not a package

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from devenv.tracing.runtime import Tracing

HERE = Path(__file__).resolve().parent
log = logging.getLogger("devenv.tracing")


def trace_program() -> None:
    """Set up tracing; an error is logged, and the program runs without tracing."""
    try:
        try:
            from devenv.tracing import auto
        except ImportError:
            borrow = importlib.import_module("_devenv_borrowed").borrow
            reason = borrow(os.environ.get("DEVENV_TRACING_LIBRARIES", ""))
            if reason:
                log.warning("devenv: the program is not traced: %s", reason)
                return
            from devenv.tracing import auto

        left_out = [name for name in os.environ.get("DEVENV_TRACING_LEAVE_OUT", "").split(",") if name]
        config = os.environ.get("DEVENV_TRACING_CONFIG") or None
        tracing = auto(config, leave_out=left_out)
        if os.environ.get("DEVENV_TRACING_LIBRARIES", "").startswith(">="):  # `devenv up` put it in
            stand_by(tracing, lambda: auto(config, leave_out=left_out))
    except Exception:  # tracing must not stop a program
        log.warning("the program is not traced", exc_info=True)


def stand_by(tracing: Tracing, again: Callable[[], object]) -> None:
    """Let the program's own provider, or its own `devenv.tracing.setup`, take the place of what `auto` has set up."""
    try:
        from devenv.tracing.process.standing_in import stand_in
    except ImportError:  # the program's own, older version of the library, which keeps the provider
        return

    def anew() -> None:
        tracing.shutdown(1.0)
        again()

    tracing.provisional = True
    stand_in(anew)


def run_the_programs_own() -> None:
    """Run the `sitecustomize` that this one hides, if there is one."""
    elsewhere = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
    spec = PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


try:
    run_the_programs_own()
finally:
    trace_program()
