"""``python -m devenv.backend``: the backend alone, for tests and benchmarks; Ctrl-C or SIGTERM stops it."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

import uvloop

from devenv.backend import EmbeddedSettings, serve
from devenv.backend.settings import Pages, StorageSettings
from devenv.errors import DevenvError


def _settings(pages: Pages | None) -> EmbeddedSettings:
    parser = argparse.ArgumentParser(description=__doc__)
    default = EmbeddedSettings()
    parser.add_argument("--host", default=default.host)
    parser.add_argument("--otlp-port", type=int, default=default.otlp_port)
    parser.add_argument("--grpc-port", type=int, default=default.grpc_port)
    parser.add_argument("--query-port", type=int, default=default.query_port)
    parser.add_argument("--health-port", type=int, default=default.health_port)
    parser.add_argument("--max-bytes", type=int, default=default.max_bytes)
    parser.add_argument("--max-log-bytes", type=int, default=default.max_log_bytes)
    parser.add_argument("--storage", type=Path)
    parser.add_argument("--storage-bytes", type=int, default=512 * 1024 * 1024)
    given = parser.parse_args()
    storage = StorageSettings(given.storage, given.storage_bytes) if given.storage else None
    ports = (given.otlp_port, given.query_port, given.health_port)
    return EmbeddedSettings(
        given.host,
        *ports,
        given.max_bytes,
        pages,
        grpc_port=given.grpc_port,
        max_log_bytes=given.max_log_bytes,
        storage=storage,
    )


async def _main(settings: EmbeddedSettings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    backend = await serve(settings)
    # One line with its ports, for a caller that asked for free ones.
    ports = {"otlp": backend.otlp_port, "query": backend.query_port, "health": backend.health_port}
    if settings.grpc_port is not None:
        ports["grpc"] = backend.grpc_port
    sys.stdout.write(" ".join(f"{name}={port}" for name, port in ports.items()) + "\n")
    sys.stdout.flush()
    await stop.wait()
    await backend.close()


def main(pages: Pages | None = None) -> int:
    """Serve until a signal stops it, and return the exit code; ``pages`` as in EmbeddedSettings."""
    logging.basicConfig(level=logging.WARNING)
    try:
        uvloop.run(_main(_settings(pages)))
    except DevenvError as error:
        sys.stderr.write(f"{error.message}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
