"""Propagation in several formats: W3C's beside B3, Jaeger's, and those of installed packages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.propagators.textmap import CarrierT, Getter, Setter, default_getter, default_setter

from devenv.tracing.context.ambient import current
from devenv.tracing.context.foreign import FORMATS, InstalledPropagator, as_fields, installed, translate, write
from devenv.tracing.propagation import W3CPropagator, with_baggage, with_parent

_W3C = ("tracecontext", "baggage")


class MixedPropagator(W3CPropagator):
    """Reads and writes every configured format; the last one that finds a parent determines it.

    The attributes of the short paths, which know W3C's formats only, are false.

    Args:
        names: The formats in order.
        decide: Decides for a trace whose caller has left the decision open.
    """

    def __init__(self, names: Sequence[str], decide: Callable[[str], bool]) -> None:
        super().__init__(())
        self._w3c = W3CPropagator(names)
        self._decide = decide
        self._names = [found for name in names if (found := _format(name)) is not None]

    @property
    def foreign(self) -> MixedPropagator | None:
        """This propagator."""
        return self

    def translated(self, pairs: Iterable[tuple[Any, Any]]) -> tuple[list[str], list[str], list[str]]:
        """Return `traceparent`, `tracestate` and `baggage` for the context that header fields contain."""
        return translate(self._names, as_fields(pairs), self._decide)

    def read(self, pairs: Iterable[tuple[Any, Any]]) -> Context:
        """Return the context that header fields contain."""
        return self._into(Context(), pairs)

    def write(self, headers: MutableMapping[str, str], context: Context) -> None:
        """Set the headers of a context."""
        self._w3c.write(headers, context)
        write(self._names, headers, context)

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """Return the context with the values of the carrier."""
        pairs = [(name, getter.get(carrier, name) or ()) for name in getter.keys(carrier)]
        return self._into(context if context is not None else Context(), pairs)

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """Set the context's headers in the carrier."""
        headers: dict[str, str] = {}
        self.write(headers, context if context is not None else current())
        for name, value in headers.items():
            setter.set(carrier, name, value)

    @property
    def fields(self) -> set[str]:
        """The headers that `inject` may set."""
        own = {"b3": {"b3"}, "b3multi": {"x-b3-traceid", "x-b3-spanid", "x-b3-sampled"}, "jaeger": {"uber-trace-id"}}
        found = self._w3c.fields
        for name in self._names:
            found |= name.fields if isinstance(name, InstalledPropagator) else own.get(name, set())
        return found

    def _into(self, context: Context, pairs: Iterable[tuple[Any, Any]]) -> Context:
        parents, states, bags = self.translated(pairs)
        return with_baggage(with_parent(context, parents, states), bags)


class _Loading:
    """Creates the propagator of an entry point when it is called."""

    def __init__(self, point: Any) -> None:
        self._point = point

    def __call__(self) -> Any:
        return self._point.load()()


def _format(name: str) -> str | InstalledPropagator | None:
    if name in FORMATS or name in _W3C:
        return name
    found = installed(name)
    return InstalledPropagator(name, _Loading(found)) if found is not None else None
