"""Query parameters of both dialects as :class:`Criteria`."""

from __future__ import annotations

import json
from collections.abc import Callable

from devenv.backend.query.search import Criteria
from devenv.http.server.message import Parameters
from devenv.immutable import immutable
from devenv.traces.filters.expression import Call, FilterError
from devenv.traces.filters.json_form import read_json
from devenv.traces.times import parse_bool, parse_duration, parse_integer, parse_rfc3339

MICROSECOND = 1_000
MILLISECOND = 1_000_000
DEFAULT_LIMIT = 100
_BESIDE_FILTER = (
    ("query.serviceName", "query.service_name"),
    ("query.operationName", "query.operation_name"),
    ("query.durationMin", "query.duration_min"),
    ("query.durationMax", "query.duration_max"),
    ("query.attributes",),
)
# Jaeger's default for a search without a start.
LEGACY_LOOKBACK = 48 * 3600 * 1_000_000_000


class BadParameter(ValueError):
    """A parameter cannot be parsed; the message is for the client."""


@immutable()
class ParameterReader:
    """Reads parameters under any of their names; ``wording`` begins an error, with ``{}`` for the name."""

    parameters: Parameters
    wording: str

    def read(self, parse: Callable[[str], int], default: int, *names: str) -> int:
        """Return the parsed value of the first name that has one, else the default.

        Raises:
            BadParameter: If ``parse`` raises ValueError.
        """
        name, value = self.parameters.named(*names)
        if not value:
            return default
        try:
            return parse(value)
        except ValueError as error:
            raise BadParameter(f"{self.wording.format(name)}: {error}") from error


def legacy_reader(parameters: Parameters) -> ParameterReader:
    """Return a reader whose errors are worded as those of Jaeger's legacy API."""
    return ParameterReader(parameters, "unable to parse param '{}'")


def legacy_query(parameters: Parameters, now: int) -> Criteria:
    """Return the criteria of a search with ``/api/traces``; ``now`` in ns.

    Raises:
        BadParameter: If a parameter is malformed or missing.
    """
    reader = legacy_reader(parameters)
    shortest = reader.read(parse_duration, 0, "minDuration")
    longest = reader.read(parse_duration, 0, "maxDuration")
    if shortest and longest and longest < shortest:
        raise BadParameter("'maxDuration' should be greater than 'minDuration'")
    return Criteria(
        service=parameters.first("service"),  # none is any, as API v3 has it
        operation=parameters.first("operation"),
        start_min=reader.read(_micros, now - LEGACY_LOOKBACK, "start"),
        start_max=reader.read(_micros, now, "end"),
        duration_min=shortest,
        duration_max=longest,
        attributes=_legacy_tags(parameters),
        limit=_limit(reader.read(parse_integer, DEFAULT_LIMIT, "limit")),
    )


def _micros(text: str) -> int:
    return parse_integer(text) * MICROSECOND


def _limit(limit: int) -> int:
    if limit <= 0:
        raise BadParameter("search depth must be greater than 0")
    return limit


def _legacy_tags(parameters: Parameters) -> dict[str, str]:
    tags = {}
    for pair in parameters.every("tag"):
        key, colon, value = pair.partition(":")
        if not colon:
            raise BadParameter(f"malformed 'tag' parameter, expecting key:value, received: {pair}")
        tags[key] = value
    for given in parameters.every("tags"):
        if given:
            tags.update(_string_map(given, "malformed 'tags' parameter, cannot unmarshal JSON"))
    return tags


def _string_map(given: str, wording: str) -> dict[str, str]:
    try:
        found = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise BadParameter(f"{wording}: {error}") from error
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(isinstance(value, str) for value in found.values()):
        raise BadParameter(f"{wording}: not a map of strings")
    return found


def v3_query(parameters: Parameters) -> Criteria:
    """Return the criteria of a search with ``/api/v3/traces`` or ``/trace-summaries``, in camelCase or snake_case.

    Raises:
        BadParameter: If a parameter is malformed or missing.
    """
    reader = ParameterReader(parameters, "malformed parameter {}")
    if not (
        parameters.first("query.startTimeMin", "query.start_time_min")
        and parameters.first("query.startTimeMax", "query.start_time_max")
    ):
        raise BadParameter("query.startTimeMin and query.startTimeMax are required")
    start = reader.read(parse_rfc3339, 0, "query.startTimeMin", "query.start_time_min")
    end = reader.read(parse_rfc3339, 0, "query.startTimeMax", "query.start_time_max")
    if start >= end:
        raise BadParameter("query.startTimeMin must be before query.startTimeMax")
    _expect_filter_alone(parameters)
    given = parameters.first("query.attributes")
    depth = ("query.searchDepth", "query.search_depth", "query.num_traces")
    return Criteria(
        service=parameters.first("query.serviceName", "query.service_name"),
        operation=parameters.first("query.operationName", "query.operation_name"),
        start_min=start,
        start_max=end,
        duration_min=reader.read(parse_duration, 0, "query.durationMin", "query.duration_min"),
        duration_max=reader.read(parse_duration, 0, "query.durationMax", "query.duration_max"),
        attributes=_string_map(given, "malformed parameter query.attributes") if given else {},
        limit=_limit(reader.read(parse_integer, DEFAULT_LIMIT, *depth)),
        where=_filter(parameters.first("query.filter")),
    )


def _expect_filter_alone(parameters: Parameters) -> None:
    """As Jaeger, which has the other criteria as conditions of the filter."""
    if not parameters.first("query.filter"):
        return
    others = [name for names in _BESIDE_FILTER if (name := parameters.named(*names)[0]) and parameters.first(*names)]
    if others:
        raise BadParameter(
            f"query.filter cannot be combined with {', '.join(others)}; express those conditions in the filter instead"
        )


def _filter(given: str) -> Call | None:
    try:
        return read_json(given) if given else None
    except FilterError as error:
        raise BadParameter(
            f"malformed parameter query.filter: {error}{f' ({error.hint})' * bool(error.hint)}"
        ) from error


def legacy_raw(parameters: Parameters) -> bool:
    """Return the ``raw`` parameter: whether the spans are wanted as they were sent, without Jaeger's adjustments.

    Raises:
        BadParameter: If it is not a boolean.
    """
    value = parameters.first("raw")
    try:
        return parse_bool(value) if value else False
    except ValueError as error:
        raise BadParameter(f"unable to parse param 'raw': {error}") from error


def dependency_window(parameters: Parameters, now: int) -> tuple[int, int]:
    """Return start and end in ns, from ``endTs`` and ``lookback`` in ms.

    Raises:
        BadParameter: If one of them is not an integer.
    """
    reader = legacy_reader(parameters)
    end = reader.read(parse_integer, now // MILLISECOND, "endTs") * MILLISECOND
    lookback = reader.read(parse_integer, 24 * 3600 * 1000, "lookback") * MILLISECOND
    return end - lookback, end
