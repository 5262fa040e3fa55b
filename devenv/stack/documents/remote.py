"""Tells files of this machine from what Compose would fetch from elsewhere."""

from __future__ import annotations

import re

_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/|oci:", re.IGNORECASE)


def is_remote(text: str) -> bool:
    """Return whether ``text`` names a repository or another remote source, not a path."""
    return _REMOTE.match(text) is not None
