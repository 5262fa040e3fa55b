"""Tells files of this machine from what Compose would fetch from elsewhere."""

from __future__ import annotations

import re

_NAMED_CONTEXT = re.compile(r"(service|target|docker-image|oci-layout):")
_REMOTE = re.compile(r"[a-z][a-z0-9+.-]*://|git@|github\.com/|oci:", re.IGNORECASE)


def is_remote(text: str) -> bool:
    """Return whether ``text`` names a repository or another remote source, not a path."""
    return _REMOTE.match(text) is not None


def is_context_path(text: str) -> bool:
    """Return whether a source of ``build.additional_contexts`` is a path of this machine."""
    return not is_remote(text) and _NAMED_CONTEXT.match(text) is None
