"""``/api/devenv/logs``: log records, which Jaeger does not store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from devenv.backend.api.params import BadParameter, ParameterReader
from devenv.backend.api.streaming import list_response
from devenv.backend.logs.decoding import model_record
from devenv.backend.logs.records import StoredRecord
from devenv.backend.logs.search import parse_position, position, search
from devenv.backend.logs.store import LogStore
from devenv.http.server.message import HttpRequest, Parameters, Response, dumps
from devenv.http.server.router import Route
from devenv.http.server.turns import Turns
from devenv.model.severity import LEVELS, PER_LEVEL, severity_number
from devenv.traces.ids import parse_trace_id
from devenv.traces.logs.json_form import record_json
from devenv.traces.logs.source import DEFAULT_LIMIT, LOGS_PATH, MAX_LIMIT, LogQuery
from devenv.traces.times import parse_integer, parse_rfc3339

_NAMES = (
    "traceID", "spanID", "service", "severity", "since", "until", "text", "attribute", "limit", "before",
    "arrivedFrom", "arrivedBefore",
)  # fmt: skip
_SPAN_ID = re.compile(r"[0-9a-fA-F]{1,16}\Z")


class LogsApi:
    """The handler; ``turns`` is the loop's time."""

    def __init__(self, store: LogStore, turns: Turns) -> None:
        self._store = store
        self._turns = turns

    def routes(self) -> list[Route]:
        """The one path."""
        return [Route("GET", LOGS_PATH, self.logs)]

    async def logs(self, request: HttpRequest) -> Response:
        """The newest records that match, the newest last.

        ``more`` says whether older ones match, too; ``before=…`` with the value of ``next`` returns those.
        """
        try:
            query = log_query(request.parameters())
        except ValueError as error:
            return Response.json({"error": str(error)}, 400)
        found = await self._turns.start().take(search(self._store, query))
        following = position(found.records[0]) if found.more else None
        closing = (
            f'],"limit":{query.limit},"more":{dumps(found.more).decode()},"next":{dumps(following).decode()},'
            f'"arrived":{found.arrived}}}'
        )
        size = sum(len(record.payload) for record in found.records)
        return list_response('{"records":[', map(_written, found.records), closing, size)


def log_query(parameters: Parameters) -> LogQuery:
    """Return the query that the parameters mean.

    Raises:
        BadParameter: If one of them is not known or malformed; the text names it.
    """
    unknown = [name for name in parameters.names() if name not in _NAMES]
    if unknown:
        raise BadParameter(f"unknown parameter '{unknown[0]}', expected one of {', '.join(_NAMES)}")
    reader = ParameterReader(parameters, "parameter '{}'")
    limit = reader.read(parse_integer, DEFAULT_LIMIT, "limit")
    if not 1 <= limit <= MAX_LIMIT:
        raise BadParameter(f"parameter 'limit': found {limit}, expected 1 to {MAX_LIMIT}")
    before = parameters.first("before")
    reader.read(_position, 0, "before")
    arrived_before = reader.read(parse_integer, -1, "arrivedBefore")
    return LogQuery(
        trace_id=_read(parameters, "traceID", lambda given: parse_trace_id(given).hex()),
        span_id=_read(parameters, "spanID", _span_id),
        services=tuple(parameters.every("service")),
        severity=reader.read(_severity, 0, "severity"),
        start_ns=reader.read(parse_rfc3339, 0, "since"),
        end_ns=reader.read(parse_rfc3339, 0, "until") or None,
        text=parameters.first("text"),
        attributes=dict(map(_attribute, parameters.every("attribute"))),
        limit=limit,
        before=before,
        arrived_from=reader.read(parse_integer, 0, "arrivedFrom"),
        arrived_before=None if arrived_before < 0 else arrived_before,
    )


def _read(parameters: Parameters, name: str, parse: Callable[[str], str]) -> str | None:
    given = parameters.first(name)
    if not given:
        return None
    try:
        return parse(given)
    except ValueError as error:
        raise BadParameter(f"parameter '{name}': {error}") from error


def _position(given: str) -> int:
    parse_position(given)
    return 0


def _span_id(given: str) -> str:
    if not _SPAN_ID.match(given):
        raise ValueError(f"a span ID has 1 to 16 hexadecimal digits, not {given[:64]!r}")
    return given.lower().zfill(16)


def _severity(given: str) -> int:
    found = severity_number(given) or (int(given) if given.isascii() and given.isdecimal() and len(given) < 3 else 0)
    if not 1 <= found <= PER_LEVEL * len(LEVELS):
        raise ValueError(f"found {given[:64]!r}, expected one of {', '.join(map(str.lower, LEVELS))}, or 1 to 24")
    return found


def _attribute(given: str) -> tuple[str, str]:
    key, equals, value = given.partition("=")
    if not (key and equals):
        raise BadParameter(f"parameter 'attribute': expected key=value, found {given[:64]!r}")
    return key, value


def _written(record: StoredRecord) -> Iterator[str]:
    yield dumps(record_json(model_record(record))).decode("ascii")
