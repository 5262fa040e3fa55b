"""A backend in its own process, which starts in hundredths of a second: it is forked from one with its modules."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

from devenv.backend.server import serve
from devenv.backend.settings import EmbeddedSettings, StorageSettings

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


def _run(storage: StorageSettings, ports: Connection) -> None:
    async def main() -> None:
        settings = EmbeddedSettings(otlp_port=0, query_port=0, health_port=None, storage=storage)
        ports.send((await serve(settings)).otlp_port)
        await asyncio.Event().wait()

    asyncio.run(main())


@contextmanager
def forked_backend(storage: StorageSettings) -> Iterator[tuple[ForkServerProcess, int]]:
    """Run a backend with a storage; yields its process, which may be killed, and its OTLP port."""
    receiving, sending = _context.Pipe(duplex=False)
    process = _context.Process(target=_run, args=(storage, sending), daemon=True)
    process.start()
    try:
        assert receiving.poll(60)
        yield process, receiving.recv()
    finally:
        process.kill()
        process.join()
        for end in (receiving, sending):
            end.close()
