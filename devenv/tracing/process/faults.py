"""Faults of the library in a program's calls: logged once, and the program continues as if it were not traced."""

from __future__ import annotations

import logging

from devenv.tracing.light.exceptions import described
from devenv.tracing.light.notices import warn_once

_log = logging.getLogger(__name__)


def fault(place: str, error: Exception) -> None:
    """Log that tracing failed, once for the same error: the hook of log records may be what failed.

    Args:
        place: What was traced, such as a library's name.
        error: The exception.
    """
    warn_once(_log, "cannot trace %s: %s", place, described(error))
