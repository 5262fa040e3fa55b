"""Runs the service: settings, tracing, logs, the HTTP server, and a clean shutdown on SIGTERM and SIGINT."""

from __future__ import annotations

import json
import logging
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import uvicorn
from devenv import tracing
from starlette.types import ASGIApp

from __module__.request_id import REQUEST_ID
from __module__.settings import Settings, SettingsError, read_settings

# Longer than a client keeps an idle connection, so that no request uses a connection that is just being closed.
_KEEP_ALIVE_S = 75


def serve(config: Path, create: Callable[[Settings], ASGIApp]) -> None:
    """Serve until SIGTERM or SIGINT, then finish the running requests and export the last spans; exits with 0.

    Args:
        config: config.yaml.
        create: creates the application of the settings.

    Raises:
        SystemExit: 2 if the settings are invalid, 3 if the port or an upstream's client is not available.
    """
    # uvicorn sends itself the signal again once it has stopped, and the default action would end the process at once.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    try:
        settings = read_settings(config)
        tracer = tracing.setup(config)
        log_to_stdout(tracer.service_name, settings.log_level)
    except (SettingsError, tracing.ConfigError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(2) from error
    server = uvicorn.Server(
        uvicorn.Config(
            tracing.TracingMiddleware(create(settings)),  # the outermost, so that nothing happens outside the span
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            log_config=None,
            server_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=settings.stop_timeout_s,
        )
    )
    try:
        server.run()
    finally:
        tracer.shutdown()
    if not server.started:
        raise SystemExit(3)


def log_to_stdout(service: str, level: str) -> None:
    """Write every log record as one JSON object a line.

    Raises:
        ValueError: there is no such level.
    """
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(handlers=[handler], level=level, force=True)
    logging.getLogger("uvicorn.access").addFilter(shorten_request)


class JsonLines(logging.Formatter):
    """A record as JSON, with trace ID and span ID: `devenv logs --trace ID` finds the lines of a request."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self._service = service

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "service": self._service,
            "message": record.getMessage(),
        }
        trace_id, span_id = tracing.current_ids()
        if trace_id:
            line |= {"trace_id": trace_id, "span_id": span_id}
        if request_id := REQUEST_ID.get():
            line["request_id"] = request_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def shorten_request(record: logging.LogRecord) -> bool:
    """Leaves health checks out of the log, and query strings, which may contain secrets, out of its lines."""
    if isinstance(record.args, tuple) and len(record.args) == 5:
        _client, method, target, _version, status = record.args
        path = str(target).partition("?")[0]
        record.msg, record.args = "%s %s %s", (method, path, status)
        return path not in {"/healthz", "/readyz"}
    return True


def _leave(_: int, __: FrameType | None) -> None:
    raise SystemExit(0)
