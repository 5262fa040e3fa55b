"""Traces a program from its start: Python imports this module if its folder is first on PYTHONPATH.

`devenv.tracing.launch.program.environment` returns the variables for it. The program's own `sitecustomize` runs first.
The program may use another interpreter than devenv's; if that one has `devenv.tracing`, it is used.

Every Python program of a service waits for it, so it imports almost nothing.
"""
# ruff: noqa: INP001 - a folder for PYTHONPATH, not a package

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False  # importing `typing` takes a while, too
if TYPE_CHECKING:
    from collections.abc import Callable

    from devenv.tracing.runtime import Tracing

HERE = os.path.dirname(os.path.realpath(__file__))


def trace_program() -> None:
    """Set up tracing, or have it set up at its first use; an error is logged, and the program runs without tracing."""
    try:
        libraries = os.environ.get("DEVENV_TRACING_LIBRARIES", "")
        by_up = libraries.startswith(">=")  # `devenv up` put it in
        try:
            find_library(whole=not by_up)
        except ImportError:
            reason = importlib.import_module("_devenv_borrowed").borrow(libraries)
            if reason:
                warn("devenv: the program is not traced: %s", reason)
                return
        if by_up:
            put_in()
        else:
            start()
    except Exception as error:  # noqa: BLE001 - logged; tracing must not stop a program
        report(error)


def find_library(*, whole: bool) -> None:
    """Check that the program's interpreter has the library, and what it needs.

    Args:
        whole: Import all of it.

    Raises:
        ImportError: If something is missing.
    """
    if whole:
        from devenv.tracing import auto  # noqa: F401 - shows that it is there

        return
    importlib.import_module("devenv.tracing")  # few programs have it, and get beyond this line
    from importlib.util import find_spec

    if find_spec("opentelemetry.trace") is None:
        raise ImportError("opentelemetry.trace")


def put_in() -> None:
    """Trace a program that knows nothing of devenv: from the first library on that is traced, if that is enough."""
    try:
        from devenv.tracing.launch.deferred import can_wait, on_first_use
    except ImportError:  # the program's own, older version of the library
        start_and_stand_by()
        return
    if can_wait(os.environ):
        on_first_use(start_and_stand_by)
    else:
        start_and_stand_by()


def start_and_stand_by() -> Tracing | None:
    """Set up tracing that the program may replace, and return it; an error is logged."""
    try:
        tracing = start()
        stand_by(tracing, start)
    except Exception as error:  # noqa: BLE001 - logged; the program's import must not fail
        report(error)
        return None
    return tracing


def start() -> Tracing:
    """Set up tracing."""
    from devenv.tracing import auto

    left_out = [name for name in os.environ.get("DEVENV_TRACING_LEAVE_OUT", "").split(",") if name]
    return auto(os.environ.get("DEVENV_TRACING_CONFIG") or None, leave_out=left_out)


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
    elsewhere = [entry for entry in sys.path if os.path.realpath(entry or ".") != HERE]
    spec = PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is not None and spec.loader is not None:
        from importlib.util import module_from_spec

        spec.loader.exec_module(module_from_spec(spec))


def report(error: Exception) -> None:
    """Log why the program is not traced: in one line if its own OpenTelemetry API lacks something."""
    if isinstance(error, ImportError) and (error.name or "").partition(".")[0] == "opentelemetry":
        warn("the program is not traced: %s; it needs opentelemetry-api 1.9 or later", error)
    else:
        warn("the program is not traced", exc_info=True)


def warn(message: str, *values: object, exc_info: bool = False) -> None:
    """Log a warning; logging is imported for it only."""
    import logging

    logging.getLogger("devenv.tracing").warning(message, *values, exc_info=exc_info)


try:
    run_the_programs_own()
finally:
    trace_program()
