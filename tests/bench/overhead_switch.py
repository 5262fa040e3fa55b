"""Runs one of the sample's services so that its tracing can be changed while it runs, for `overhead.py`.

usage: overhead_switch.py MODULE CONTROL

On SIGUSR1 what waits for export is sent, the file CONTROL is read, and its mode is set up: `absent`, `off`, or a ratio.
Then the file `CONTROL.MODULE` holds the mode. One process in all modes has its memory in the same places in all of
them; its position differs between two processes by more than tracing costs.

`absent` comes as near to a program without tracing as a running one can: the middleware is passed by, the functions
that the sample calls are those of `untraced/`, and its SQLite connection has the methods of its base class.
"""

from __future__ import annotations

import importlib.util
import runpy
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from devenv import tracing
from devenv.tracing.integrations.sqlite import TracedConnection

UNTRACED = Path(__file__).parent / "untraced" / "devenv" / "tracing.py"
FUNCTIONS = ("span", "client_span", "current_ids", "set_attributes", "add_event", "record_exception")
STATEMENTS = ("cursor", "execute", "executemany", "executescript", "commit", "rollback", "__exit__")
FLUSH_S = 5.0


class Switch:
    """The tracing of this process; stands in for what `setup` gives to the service.

    Attributes:
        middle: Whether requests pass the middleware.
        service_name: The service's name.
    """

    service_name = ""

    def __init__(self, control: Path, answer: Path) -> None:
        self.middle = True
        self._control = control
        self._answer = answer
        self._config: Any = None
        self._active: tracing.Tracing | None = None
        self._setup = tracing.setup
        self._real = {name: getattr(tracing, name) for name in FUNCTIONS}
        self._statements = {name: vars(TracedConnection)[name] for name in STATEMENTS}
        spec = importlib.util.spec_from_file_location("untraced", UNTRACED)
        assert spec is not None
        assert spec.loader is not None
        untraced = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(untraced)
        self._none = {name: getattr(untraced, name) for name in FUNCTIONS}

    def setup(self, config: Any) -> Switch:
        """What the service calls: begins switched off."""
        self._config = config
        self.take("off")
        return self

    def take(self, mode: str) -> None:
        """Export the waiting spans, and continue in another mode."""
        self.shutdown()
        self.middle = mode != "absent"
        vars(tracing).update(self._real if self.middle else self._none)
        for name, method in self._statements.items():
            setattr(TracedConnection, name, method if self.middle else getattr(sqlite3.Connection, name))
        ratio = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": mode}
        environ = {"OTEL_SDK_DISABLED": "true"} if mode in {"absent", "off"} else ratio
        self._active = self._setup(self._config, environ={**BASE, **environ})
        self.service_name = self._active.service_name
        self._answer.write_text(mode)

    def shutdown(self) -> None:
        """Send what waits."""
        if self._active is not None:
            self._active.shutdown(FLUSH_S)

    def on_signal(self, _number: int, _frame: object) -> None:
        """Switch to the mode in the control file."""
        self.take(self._control.read_text())

    def middleware(self, app: Callable[..., Any]) -> Callable[..., Any]:
        """What the service serves: with or without the middleware, as the mode wants it."""
        traced = REAL_MIDDLEWARE(app)

        async def serve(scope: Any, receive: Any, send: Any) -> None:
            await (traced if self.middle else app)(scope, receive, send)

        return serve


BASE = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": sys.argv[3] if len(sys.argv) > 3 else "",
    "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=production",
}
REAL_MIDDLEWARE = tracing.TracingMiddleware

if __name__ == "__main__":
    module, control = sys.argv[1], Path(sys.argv[2])
    switch = Switch(control, Path(f"{control}.{module}"))
    tracing.setup = switch.setup  # type: ignore[assignment] # the service calls it with one argument
    tracing.TracingMiddleware = switch.middleware  # type: ignore[assignment,misc] # likewise
    signal.signal(signal.SIGUSR1, switch.on_signal)
    sys.argv = [module]
    sys.path.insert(0, "")
    runpy.run_module(module, run_name="__main__", alter_sys=True)
