"""Database spans: a statement's summary, table and text without values, its server and its failure."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from opentelemetry.trace import INVALID_SPAN, Span, SpanKind

from devenv.tracing.active import state
from devenv.tracing.context.ambient import SPAN_KEY, current
from devenv.tracing.context.suppression import is_suppressed
from devenv.tracing.databases.failures import response_code
from devenv.tracing.databases.statement import LONGEST_READ, describe
from devenv.tracing.databases.target import DEFAULT_PORTS, Database
from devenv.tracing.light.shared import Shared
from devenv.tracing.light.span import LightSpan
from devenv.tracing.process.faults import fault
from devenv.tracing.spans import SpanScope

_SYSTEM_KEYS = ("db.system.name", "db.system")  # the second: instrumentations that keep to the old conventions
_CALLING = frozenset({"CALL", "EXEC", "EXECUTE"})
BATCH = "batch"
PROCEDURE = "procedure"
FUNCTION = "function"


def db_span(system: str, statement: str, *, namespace: str = "", **attributes: Any) -> SpanScope | Span:
    """Create a client span for one database statement, for a `with` block.

    There is none in a context that suppresses spans, and none below the span of another statement: one statement that
    goes through several libraries has one span.

    Args:
        system: `db.system.name`: `sqlite`, `postgresql`, `mysql`, `redis`, …
        statement: The statement; values in it are replaced before it is recorded.
        namespace: The database's name.
        **attributes: Additional attributes; write a dotted name with `__`.
    """
    try:
        own = {key.replace("__", "."): value for key, value in attributes.items()} if attributes else None
        return statement_span(Database(system, namespace), statement, own=own)
    except Exception as error:  # noqa: BLE001 - logged
        fault(system, error)
        return INVALID_SPAN


def statement_span(
    database: Database,
    statement: str,
    form: str = "",
    own: dict[str, Any] | None = None,
) -> SpanScope | Span:
    """Create the client span of a statement, as `db_span`.

    Args:
        database: The connection's database.
        statement: The statement, or the name of the procedure.
        form: `BATCH` for the same statement with several sets of parameters, `PROCEDURE` for a call of a procedure,
            `FUNCTION` for a function of the driver, such as `commit`, that stands for the statement.
        own: Attributes of this call.
    """
    context = current()
    span: Any = context.get(SPAN_KEY)
    if span.__class__ is state.idle:
        return span  # type: ignore[return-value] # `idle` is the class of a span
    try:
        if state.off or ((len(context) > 1 or span is None) and is_suppressed(context)):
            return state.passive() or INVALID_SPAN
        if span is not None and is_statement(span):
            return INVALID_SPAN
        if len(statement) > LONGEST_READ:  # the cache does not keep what is not read
            statement = statement[:LONGEST_READ]
        name, shared = _shared(database, statement, form)
    except Exception as error:  # noqa: BLE001 - logged; such as a statement that is not a text
        fault(database.system, error)
        return INVALID_SPAN
    return new_scope(name, SpanKind.CLIENT, own, None, shared)


def many_span(database: Database, statement: str, parameters: Any) -> SpanScope | Span:
    """Create the client span of a statement that is executed for each set of parameters.

    Args:
        database: The connection's database.
        statement: The statement.
        parameters: The sets; those of an iterator are not counted, which would use it up.
    """
    try:
        size = len(parameters) if isinstance(parameters, (list, tuple)) else 1
        if size == 1:
            return statement_span(database, statement)
        return statement_span(database, statement, BATCH, {"db.operation.batch.size": size})
    except Exception as error:  # noqa: BLE001 - logged
        fault(database.system, error)
        return INVALID_SPAN


class StatementScope(SpanScope):
    """The span of a statement: a failure has the code that the database or its driver gave."""

    __slots__ = ()

    def _broken(self, exc: BaseException) -> None:
        try:
            code = response_code(exc)
            if code:
                self._span.set_attribute("db.response.status_code", code)
        except Exception as error:  # noqa: BLE001 - logged; the failure itself is recorded all the same
            fault("a database error", error)
        super()._broken(exc)


new_scope: Callable[[str, SpanKind, dict[str, Any] | None, None, Shared], SpanScope | Span] = StatementScope
"""Returns the block of a statement; metrics replace it by a function that returns one that is measured, too."""


def statement_block(library: str, make: Callable[[], SpanScope | Span]) -> SpanScope | Span:
    """Return the block of a command, as `block_of`; does not raise.

    Args:
        library: The library, for the log of a fault.
        make: Returns the block of a command that is recorded or measured, by `new_scope`.
    """
    try:
        idle = state.skips()
        if idle is not None:
            return idle
        if state.off or is_suppressed(current()):
            return state.passive() or INVALID_SPAN
        return make()
    except Exception as error:  # noqa: BLE001 - logged
        fault(library, error)
        return INVALID_SPAN


def is_statement(span: Any) -> bool:
    """Whether a span is that of a statement, ours or of another instrumentation."""
    if span.__class__ is LightSpan:
        if span.kind is not SpanKind.CLIENT:
            return False
        shared = span.shared
        if shared is not None and "db.system.name" in shared.values:
            return True
        attributes: Any = span.own
    elif getattr(span, "kind", None) is SpanKind.CLIENT:
        attributes = getattr(span, "attributes", None) or ()
    else:
        return False
    return any(key in attributes for key in _SYSTEM_KEYS)


@lru_cache(maxsize=512)
def _shared(database: Database, statement: str, form: str) -> tuple[str, Shared]:
    system, namespace, address, port = database
    described = describe(f"CALL {statement}" if form is PROCEDURE else statement, system)
    prefix = "BATCH " if form is BATCH else ""
    values: dict[str, Any] = {"db.system.name": system}
    if described.summary:
        values["db.query.summary"] = prefix + described.summary
    # What is read from a text is in its summary: the conventions say not to take `db.operation.name` and
    # `db.collection.name` from it.
    if form is PROCEDURE or form is FUNCTION:
        values["db.operation.name"] = described.operation
    if form is not PROCEDURE:
        values["db.query.text"] = described.text
    if described.target and described.operation.upper() in _CALLING:
        values["db.stored_procedure.name"] = described.target
    if namespace:
        values["db.namespace"] = namespace
    if address:
        values["server.address"] = address
        if port and port != DEFAULT_PORTS.get(system) and not address.startswith("/"):
            values["server.port"] = port
    name = values.get("db.query.summary") or namespace or (f"{address}:{port}" if port else address) or system
    return name, Shared(values)
