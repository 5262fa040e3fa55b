"""URLs that are not traced: the regular expressions of OTEL_PYTHON_EXCLUDED_URLS and its kin for one library."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from devenv.tracing.light.notices import warn_once
from devenv.tracing.process.http_names import CLIENTS

if TYPE_CHECKING:
    from devenv.tracing.settings import Settings

_log = logging.getLogger(__name__)


def excluded_requests(settings: Settings, libraries: Sequence[str]) -> re.Pattern[str] | None:
    """Return the pattern of the URLs that a server does not trace, None for none; a library's own replace the general.

    Args:
        settings: The settings.
        libraries: Names of the stock instrumentations for these requests.
    """
    own = [settings.exclude_patterns_of[name] for name in libraries if name in settings.exclude_patterns_of]
    return compiled(_split(own) if own else settings.exclude_patterns)


def excluded_calls(settings: Settings) -> Mapping[str, re.Pattern[str]]:
    """Return the patterns of the URLs that client libraries do not trace, by the library's name in `begin_call`."""
    found = {}
    for library, stock in CLIENTS.items():
        if stock in settings.exclude_patterns_of:
            pattern = compiled(_split([settings.exclude_patterns_of[stock]]))
            if pattern is not None:
                found[library] = pattern
    return found


def compiled(patterns: Sequence[str]) -> re.Pattern[str] | None:
    """Return one pattern for several, None for none; an invalid one is left out, with a warning."""
    valid = []
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            warn_once(_log, "excluded URLs: ignoring %s: %s", repr(pattern), error)
        else:
            valid.append(f"(?:{pattern})")
    return re.compile("|".join(valid)) if valid else None


def _split(texts: Sequence[str]) -> list[str]:
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]
