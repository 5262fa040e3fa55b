"""The images of Pythons that `.ci/images pythons` creates."""

from __future__ import annotations

from typing import Any

NAMES = {f"devenv-ci/python:{version}" for version in ("3.9", "3.10", "3.12", "3.13", "3.11-musl")}
NAMES |= {"devenv-ci/frameworks:bookworm"}


def images_of_pythons(client: Any) -> tuple[frozenset[str], str]:
    """Those that an engine has, and what is missing."""
    found = NAMES & {tag for image in client.images.list() for tag in image.tags}
    missing = ", ".join(sorted(NAMES - found))
    reason = f"the engine has no image {missing}; `.ci/images pythons` creates what it can" if missing else ""
    return frozenset(found), reason
