"""The embedded trace backend: OTLP in, Jaeger's query APIs out."""

from devenv.backend.server import Backend, serve
from devenv.backend.settings import EmbeddedSettings
from devenv.backend.store.store import Store

__all__ = ["Backend", "EmbeddedSettings", "Store", "serve"]
