"""``python -m devenv.dashboard.large_trace_process LIMIT TRUNCATED``: the other side of :mod:`large_trace`.

It reads the header (:mod:`large_trace_header`) and an OTLP ``TracesData`` from standard input, and writes the content
of the trace's page to standard output.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import replace

from devenv.dashboard.large_trace_header import read_header
from devenv.dashboard.waterfall_view import WaterfallView
from devenv.model.trace import collect
from devenv.otlp.proto_spans import parse_spans


def main(limit: int, *, truncated: bool) -> None:
    """Write the first ``limit`` spans; ``truncated`` as in :class:`~devenv.model.trace.Trace`."""
    gc.disable()  # nothing is freed until the end
    logs, services = read_header(sys.stdin.buffer)
    [trace] = collect(parse_spans(sys.stdin.buffer.read()))
    view = WaterfallView(replace(trace, truncated=truncated), limit, logs, services)
    for piece in view.pieces():
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]), truncated=sys.argv[2] == "truncated")
