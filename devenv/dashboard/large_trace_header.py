"""What the process that makes a large trace's page has to know beside the spans: a line of JSON before them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import BinaryIO

from devenv.traces.logs.json_form import parse_record, record_json
from devenv.traces.logs.source import LogSelection


def encoded_header(logs: LogSelection, services: Sequence[str]) -> bytes:
    """The trace's log records, and the names of all services, as a line."""
    document = {"records": list(map(record_json, logs.records)), "before": logs.before, "services": list(services)}
    return json.dumps(document).encode("ascii") + b"\n"


def read_header(stream: BinaryIO) -> tuple[LogSelection, list[str]]:
    """Read the line from the stream."""
    document = json.loads(stream.readline())
    return LogSelection(list(map(parse_record, document["records"])), document["before"]), document["services"]
