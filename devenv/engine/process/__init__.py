"""The process engine: services as local processes under the project's daemon, with the embedded trace backend."""

from devenv.engine.process.engine import ProcessEngine, backend_urls

__all__ = ["ProcessEngine", "backend_urls"]
