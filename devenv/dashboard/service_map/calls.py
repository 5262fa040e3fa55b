"""Services and the calls between them, and the part of them that is shown."""

from __future__ import annotations

from collections.abc import Iterable

from devenv.immutable import immutable
from devenv.model.trace import OWN_SERVICE, ServiceDependency


@immutable()
class ServiceCalls:
    """What was seen in a range of time.

    Attributes:
        services: sorted names, also of those that call nothing and are not called.
        between: calls from a service to another, by caller, then called.
        inside: by service, how often it called itself.
    """

    services: tuple[str, ...]
    between: tuple[ServiceDependency, ...]
    inside: dict[str, int]

    def entry(self) -> str | None:
        """The service that no other calls and that calls most; of equal ones the first by name."""
        called = {edge.child for edge in self.between}
        made = {edge.parent: 0 for edge in self.between if edge.parent not in called}
        for edge in self.between:
            if edge.parent in made:
                made[edge.parent] += edge.calls
        return min(made, key=lambda name: (-made[name], name), default=None)

    def received(self, service: str) -> int | None:
        """How often others called it; ``None`` if none did."""
        calls = [edge.calls for edge in self.between if edge.child == service]
        return sum(calls) if calls else None

    def failed(self, service: str) -> int:
        """How many of these calls failed, as far as the trace backend counts them."""
        return sum(edge.errors or 0 for edge in self.between if edge.child == service)

    def callers(self, service: str) -> list[str]:
        """Names of the services that call it."""
        return [edge.parent for edge in self.between if edge.child == service]

    def called(self, service: str) -> list[str]:
        """Names of the services that it calls."""
        return [edge.child for edge in self.between if edge.parent == service]

    def around(self, service: str, hops: int) -> ServiceCalls:
        """The service, and those that are at most ``hops`` calls away from it, to either side."""
        reached = {service}
        for _ in range(hops):
            reached |= {
                other
                for edge in self.between
                for one, other in ((edge.parent, edge.child), (edge.child, edge.parent))
                if one in reached
            }
        return self._of(reached)

    def busiest(self, count: int) -> ServiceCalls:
        """The ``count`` services that make and receive most calls."""
        calls = dict.fromkeys(self.services, 0)
        for edge in self.between:
            calls[edge.parent] += edge.calls
            calls[edge.child] += edge.calls
        return self._of(set(sorted(calls, key=lambda name: (-calls[name], name))[:count]))

    def _of(self, services: set[str]) -> ServiceCalls:
        return ServiceCalls(
            tuple(name for name in self.services if name in services),
            tuple(edge for edge in self.between if edge.parent in services and edge.child in services),
            {name: calls for name, calls in self.inside.items() if name in services},
        )


def service_calls(services: Iterable[str], found: Iterable[ServiceDependency], *, own: bool) -> ServiceCalls:
    """What the trace backend counted.

    Args:
        services: names of those that have spans.
        found: calls; a service may call itself.
        own: whether devenv's own spans (of the canary and the load generator) belong to it: they are not part of the
            system under test.
    """
    edges = [edge for edge in found if own or OWN_SERVICE not in (edge.parent, edge.child)]
    names = {name for name in services if own or name != OWN_SERVICE}
    names |= {name for edge in edges for name in (edge.parent, edge.child)}
    return ServiceCalls(
        tuple(sorted(names)),
        tuple(
            sorted((edge for edge in edges if edge.parent != edge.child), key=lambda edge: (edge.parent, edge.child))
        ),
        {edge.parent: edge.calls for edge in edges if edge.parent == edge.child},
    )
