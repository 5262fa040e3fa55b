"""What differs between engines, stated by each of them: code above the engines decides by this, never by a name."""

from __future__ import annotations

from typing import Literal

from devenv.immutable import immutable

BackendKind = Literal["jaeger", "embedded"]
"""``jaeger``: the trace backend runs as a service; ``embedded``: the engine runs devenv's own in its place."""


@immutable(kw_only=True)
class Capabilities:
    """What an engine can do, and how its instances are placed.

    Attributes:
        images: it pulls, builds and runs images; without it a service has no image ID.
        networks: it creates the stack's networks.
        volumes: it creates the stack's named volumes.
        processes: it runs services as local processes, as ``x-devenv.process`` describes them; ``down`` then counts
            processes, else containers.
        shared_loopback: 127.0.0.1 is the same for the instances and for this machine.
        trace_backend: what runs as the service of the role trace-backend.
    """

    images: bool
    networks: bool
    volumes: bool
    processes: bool
    shared_loopback: bool
    trace_backend: BackendKind
