"""Removes secrets from the paths of requests, before they are printed, saved or exported."""

from __future__ import annotations

import re

from devenv.tracing.export.redaction import REDACTED, Redactor

_REDACTOR = Redactor()
_LIKE_A_TOKEN = re.compile(r"(?<=/)(?=[^/?#]*[A-Za-z])(?=[^/?#]*[0-9])[^/?#]{20,}")
"""A segment that is long and has letters and digits: a token, as in webhooks, or an ID, which is redacted as well."""


def redacted_path(path: str) -> str:
    """Return a path and query without the values of secret parameters and without segments that look like tokens."""
    before, mark, query = path.partition("?")
    return _LIKE_A_TOKEN.sub(REDACTED, before) + mark + _REDACTOR.query(query)
