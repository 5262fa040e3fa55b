"""Resources and instrumentation scopes, each stored once for all spans that refer to it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from google.protobuf.message import DecodeError

from devenv.backend.store.records import SCOPE_BYTES, StoredService
from devenv.otlp import messages
from devenv.otlp.batches import Batch
from devenv.otlp.deep_values import TOO_DEEP, DeepValues, TooDeep
from devenv.otlp.values import attributes, plain, text
from devenv.otlp.wire import TooLarge, Undecodable, varint

_MAX_BYTES = 1024 * 1024

Key = tuple[bytes, bytes, bytes, bytes]


class Description:
    """A resource with one instrumentation scope.

    Args:
        key: resource and scope as they were sent, with their schema URLs.
        service_name: of the resource, as :func:`service_name` returns it.
        resource, scope: decoded.
    """

    def __init__(self, key: Key, service_name: str, resource: Any, scope: Any) -> None:
        self.key = key
        self._service_name = service_name
        self._resource = resource
        self._scope = scope

    @cached_property
    def resource(self) -> dict[str, Any]:
        """The resource's attributes, always with a service name (Jaeger's placeholder if it has none)."""
        return {**attributes(self._resource.attributes), "service.name": self._service_name}

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """The scope's own attributes."""
        return attributes(self._scope.attributes)

    @cached_property
    def name(self) -> str:
        """The instrumentation library's name."""
        return text(self._scope.name)

    @cached_property
    def version(self) -> str:
        """The instrumentation library's version."""
        return text(self._scope.version)

    @property
    def urls(self) -> tuple[str, str]:
        """Schema URLs of resource and scope."""
        return text(self.key[1]), text(self.key[3])


class Scope(Description):
    """A resource with one instrumentation scope, and the number by which stored chunks refer to it."""

    def __init__(self, number: int, key: Key, service: StoredService, resource: Any, scope: Any) -> None:
        super().__init__(key, service.name, resource, scope)
        self.number = number
        self.service = service
        self.spans = 0
        self.prefix = b"\x08" + varint(number)
        self.cost = SCOPE_BYTES + 5 * sum(map(len, key))
        self.written: dict[str, Any] = {}
        """Resource and scope as the APIs write them: each of their traces has them."""

    @property
    def resource_key(self) -> bytes:
        """Equal for equal resources."""
        return self.key[0]


def service_name(resource: Any) -> str:
    """Return the service name of a resource; Jaeger's placeholder if it has none."""
    for pair in resource.attributes:
        if pair.key == b"service.name":
            value = plain(pair.value)
            if not isinstance(value, str):
                return "service-name-wrong-type"
            return value or "empty-service-name"
    return "missing-service-name"


def parse(batch: Batch, deep: DeepValues | None = None) -> tuple[Any, Any]:
    """Return the decoded resource and scope of a batch.

    Args:
        batch: The batch.
        deep: What makes deep values shallower, with what is left of a request's limit.

    Raises:
        Undecodable: If one of them is malformed, or a value nested too deep.
        TooLarge: If they are larger than a description of a service can be.
    """
    if len(batch.resource) + len(batch.scope) > _MAX_BYTES:
        raise TooLarge(f"a resource or scope larger than {_MAX_BYTES} bytes")
    deep = deep or DeepValues()
    try:
        resource = _read(batch.resource, messages.Resource, messages.LayeredResource, deep)
        return resource, _read(batch.scope, messages.Scope, messages.LayeredScope, deep)
    except (DecodeError, TooDeep) as error:
        raise Undecodable(f"resource or scope: {error}") from error


def _read(encoded: bytes, message: Any, layered: Any, deep: DeepValues) -> Any:
    """Decode a resource or scope; deep values are stored as those of spans are."""
    try:
        return message.FromString(encoded)
    except DecodeError as error:
        if TOO_DEEP not in str(error):
            raise
    return message.FromString(deep.description(encoded, layered))


class Scopes:
    """All scopes in use, by number and by content."""

    def __init__(self) -> None:
        self._by_key: dict[Key, Scope] = {}
        self._by_number: dict[int, Scope] = {}
        self.next = 0
        """The number of the next new scope. None is used twice: encoded traces on disk have them, too."""
        self.bytes = 0

    def find(self, batch: Batch) -> Scope | None:
        """Return the scope of ``batch``, or ``None`` if it is new."""
        return self._by_key.get((batch.resource, batch.resource_url, batch.scope, batch.scope_url))

    def get(self, number: int) -> Scope | None:
        """Return the scope of this number, or ``None`` if it is not in use."""
        return self._by_number.get(number)

    def add(self, batch: Batch, service: StoredService, parsed: tuple[Any, Any], number: int | None = None) -> Scope:
        """Add the scope of ``batch`` under ``number``, which is not in use, or else under a new one.

        Two numbers may have equal scopes if they come from the disk.
        """
        key = (batch.resource, batch.resource_url, batch.scope, batch.scope_url)
        if number is None:
            number = self.next
        self.next = max(self.next, number + 1)
        scope = Scope(number, key, service, *parsed)
        self._by_key[key] = self._by_number[number] = scope
        self.bytes += scope.cost
        service.scopes += 1
        return scope

    def __getitem__(self, number: int) -> Scope:
        return self._by_number[number]

    def __iter__(self) -> Any:
        return iter(self._by_number.values())

    def release(self, number: int, spans: int) -> Scope:
        """Subtract ``spans`` references from a scope; it is removed with the last one."""
        scope = self._by_number[number]
        scope.spans -= spans
        if scope.spans <= 0:
            del self._by_number[number]
            if self._by_key.get(scope.key) is scope:
                del self._by_key[scope.key]
            self.bytes -= scope.cost
            scope.service.scopes -= 1
        return scope
