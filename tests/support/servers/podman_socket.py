"""Podman's Docker-compatible socket for tests: `DEVENV_TEST_PODMAN` has its address, `.ci/podman start` starts one."""

from __future__ import annotations

import os


def missing_podman(image: str) -> str:
    """Why no test can run on Podman; empty if it answers and has `image`."""
    import docker

    address = os.environ.get("DEVENV_TEST_PODMAN", "")
    if not address:
        return "DEVENV_TEST_PODMAN names no socket; `.ci/podman start` starts one"
    try:
        client = docker.DockerClient(address, timeout=60)
        client.images.get(image)
    except docker.errors.DockerException as error:
        return f"{address} does not answer, or has no {image} ({error})"
    client.close()
    return ""
