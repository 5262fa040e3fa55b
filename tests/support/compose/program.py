"""Compose's program, as a plugin of ``docker`` or by itself."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest


def compose_command() -> list[str]:
    """Return the command; without the program the test is skipped, or fails where Docker is required."""
    cache = Path(os.environ.get("DEVENV_CI_CACHE", "/var/cache/devenv-ci")) / "bin" / "docker-compose"
    folders = (Path.home() / ".docker", Path("/usr/libexec/docker"), Path("/usr/lib/docker"))
    found = [cache, *(folder / "cli-plugins" / "docker-compose" for folder in folders)]
    program = shutil.which("docker-compose") or next((str(path) for path in found if path.is_file()), None)
    if program is None:
        reason = "no compose plugin; `.ci/go-build compose` builds it"
        if "docker" in os.environ.get("DEVENV_TEST_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    return [program]
