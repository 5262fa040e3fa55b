"""URLs that are not traced: the regular expressions of OTEL_PYTHON_EXCLUDED_URLS and its kin for one library."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from devenv.tracing.process.http_names import CLIENTS
from devenv.tracing.process.patterns import any_of, split

if TYPE_CHECKING:
    from devenv.tracing.settings import Settings

_WHAT = "excluded URLs"


def excluded_requests(settings: Settings, libraries: Sequence[str]) -> re.Pattern[str] | None:
    """Return the pattern of the URLs that a server does not trace, None for none; a library's own replace the general.

    Args:
        settings: The settings.
        libraries: Names of the stock instrumentations for these requests.
    """
    own = [settings.exclude_patterns_of[name] for name in libraries if name in settings.exclude_patterns_of]
    return any_of(split(own) if own else settings.exclude_patterns, _WHAT)


def excluded_calls(settings: Settings) -> Mapping[str, re.Pattern[str]]:
    """Return the patterns of the URLs that client libraries do not trace, by the library's name in `begin_call`."""
    found = {}
    for library, stock in CLIENTS.items():
        if stock in settings.exclude_patterns_of:
            pattern = any_of(split([settings.exclude_patterns_of[stock]]), _WHAT)
            if pattern is not None:
                found[library] = pattern
    return found
