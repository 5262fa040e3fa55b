"""The library's own log: its level by OTEL_LOG_LEVEL, and a place for it if the program has configured no logging."""

from __future__ import annotations

import logging
import sys

from devenv.tracing.settings import Settings

_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "fatal": logging.CRITICAL,
    "critical": logging.CRITICAL,
    "none": logging.CRITICAL + 1,
}


class LastResort(logging.StreamHandler):  # type: ignore[type-arg] # the stream is stderr
    """Writes to stderr as long as the program has no handler; Python's last resort leaves out all below a warning."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, unless the program's own handlers get it."""
        if not logging.getLogger().handlers:
            self.stream = sys.stderr
            super().emit(record)


def set_level(settings: Settings) -> None:
    """Set the level of the logger `devenv.tracing`, if one is configured; else the program's configuration decides."""
    if settings.origin("log_level") == "default":
        return
    logger = logging.getLogger("devenv.tracing")
    logger.setLevel(_LEVELS[settings.log_level])
    if not any(isinstance(handler, LastResort) for handler in logger.handlers):
        logger.addHandler(LastResort())
