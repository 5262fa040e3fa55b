"""The log records of a large trace on their way to the process that makes its page: a line of JSON before the spans."""

from __future__ import annotations

import json
from typing import BinaryIO

from devenv.traces.logs.json_form import parse_record, record_json
from devenv.traces.logs.source import LogSelection


def encoded_logs(logs: LogSelection) -> bytes:
    """Return them as a line."""
    document = {"records": list(map(record_json, logs.records)), "before": logs.before}
    return json.dumps(document).encode("ascii") + b"\n"


def read_logs(stream: BinaryIO) -> LogSelection:
    """Read the line from the stream."""
    document = json.loads(stream.readline())
    return LogSelection(list(map(parse_record, document["records"])), document["before"])
