"""What one ``up`` created, so that ``--rollback`` can take exactly that away again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from devenv.events import Notice, Removed
from devenv.orchestrate.concurrency import gather

if TYPE_CHECKING:
    from devenv.contract.engine import Engine
    from devenv.events import Sink


@dataclass(slots=True)
class Made:
    """Names by id of what was created; volumes are left out, because they hold data."""

    engine: Engine
    networks: dict[str, str] = field(default_factory=dict)
    instances: dict[str, str] = field(default_factory=dict)

    async def remove(self, sink: Sink) -> None:
        """Remove all of it, instances first."""
        sink(Notice(message="rolling back what this up created"))
        await gather(*(self._remove_instance(item, sink) for item in self.instances))
        await gather(*(self._remove_network(item, sink) for item in self.networks))

    async def _remove_instance(self, instance_id: str, sink: Sink) -> None:
        await self.engine.stop(instance_id)
        await self.engine.remove(instance_id)
        sink(Removed(kind="container", name=self.instances[instance_id]))

    async def _remove_network(self, network_id: str, sink: Sink) -> None:
        await self.engine.remove_network(network_id)
        sink(Removed(kind="network", name=self.networks[network_id]))
