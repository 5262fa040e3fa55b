"""Regular expressions of settings, several of which become one."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from devenv.tracing.light.notices import warn_once

_log = logging.getLogger(__name__)


def any_of(patterns: Iterable[str], what: str, flags: int = 0) -> re.Pattern[str] | None:
    """Return one pattern for several, None for none; an invalid one is left out, with a warning that says `what`."""
    valid = []
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            warn_once(_log, "%s: ignoring %s: %s", what, repr(pattern), error)
        else:
            valid.append(f"(?:{pattern})")
    return re.compile("|".join(valid), flags) if valid else None


def split(texts: Iterable[str]) -> list[str]:
    """Return the parts of texts between commas, without empty ones."""
    return [part.strip() for text in texts for part in text.split(",") if part.strip()]
