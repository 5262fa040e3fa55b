"""The process engine: services as local processes under the project's daemon, with the embedded trace backend."""

from devenv.engine.process.engine import ProcessEngine

__all__ = ["ProcessEngine"]
