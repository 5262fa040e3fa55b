"""The engine ``docker``, through the Docker SDK; the SDK itself is imported on the first call only."""

from devenv.engine.docker.engine import DockerEngine

__all__ = ["DockerEngine"]
