"""What ``up`` says about the stack's own telemetry: one line about each service, and the lines to paste."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.orchestrate.telemetry.collectors import LEFT, decide
from devenv.orchestrate.telemetry.configuration_text import lines_to_paste
from devenv.orchestrate.telemetry.pipelines import EXPORTER, NO_PIPELINE, REACHED
from devenv.orchestrate.telemetry.recognition import OTLP_PORTS, host_names
from devenv.orchestrate.telemetry.senders import senders_to
from devenv.orchestrate.telemetry.stand_in import stand_in_notes
from devenv.otlp.backend_ports import OTLP_HTTP_PORT

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from devenv.model.stack import Stack
    from devenv.orchestrate.telemetry.collectors import Decision

_ALLOY = (
    'otelcol.exporter.otlphttp "devenv" {{',
    '  client {{ endpoint = "{endpoint}" }}',
    "}}",
    "// and otelcol.exporter.otlphttp.devenv.input in the list of traces of the output of each receiver",
)


def notes(stack: Stack, names: Collection[str], *, given: Stack, containers: bool) -> tuple[str, ...]:
    """Return what there is to say about each telemetry service: a line, and below it the lines to paste, if any.

    Args:
        stack: with the trace backend, and with the ports that will be published.
        names: of the services that are brought up.
        given: as resolved from its files.
        containers: the engine runs containers.
    """
    decided = [item for item in decide(stack, containers=containers) if item.telemetry.service in names]
    found = [line for item in decided for line in _lines(stack, item, containers)]
    return (*found, *(() if containers else stand_in_notes(given)))


def _lines(stack: Stack, decision: Decision, containers: bool) -> Iterator[str]:
    found = decision.telemetry
    name = found.service
    senders = senders_to(stack, host_names(stack.services[name]))
    if decision.copied:
        yield f"{name} runs with a copy of its configuration that has the exporter {EXPORTER}: devenv sees its spans"
        return
    if decision.reason == LEFT:
        yield f"{name} is left as it is (x-devenv.collector: leave): devenv does not see its spans"
        return
    takes_traces = senders or any(port in OTLP_PORTS for port in stack.services[name].container_ports)
    # A receiver without a sender is perhaps no collector at all, and Alloy more often collects logs and metrics.
    if (found.kind == "receiver" and not senders) or (found.kind == "alloy" and not takes_traces):
        return
    if decision.reason in {REACHED, NO_PIPELINE}:
        yield f"{name} is left as it is: {decision.reason}"
        return
    if found.kind in {"collector", "alloy", "otel-lgtm", "receiver"}:
        yield f"devenv does not see the spans of {name}: {decision.reason}. To pass them on, add to its configuration:"
        endpoint = _endpoint(stack, containers)
        if found.kind == "alloy":
            yield from (line.format(endpoint=endpoint) for line in _ALLOY)
        else:
            yield from lines_to_paste(decision.addition, endpoint)
    elif senders:
        yield f"devenv does not see what {', '.join(senders)} sends to {name}, a trace backend that it cannot read"


def _endpoint(stack: Stack, containers: bool) -> str:
    """Base URL of devenv's backend as a collector of the stack reaches it."""
    backend = stack.trace_backend
    if containers:
        return f"http://{backend.name if backend else 'jaeger'}:{OTLP_HTTP_PORT}"
    ports = {port.container: port.host for port in backend.ports} if backend else {}
    return f"http://127.0.0.1:{ports.get(OTLP_HTTP_PORT) or OTLP_HTTP_PORT}"
