"""The load of the benchmark of ingest: encoded requests, as an SDK sends them."""

from __future__ import annotations

import random
from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

BATCH = 512
SERVICES = ("gateway", "auth", "user")


def batches(spans: int, now: int, seed: int = 1) -> Iterator[bytes]:
    """Encoded requests with `spans` spans in all, the traces of the last minutes in order of time."""
    random_ = random.Random(seed)
    open_requests = {service: _request(service) for service in SERVICES}
    for number in range(spans // 6):
        _trace(open_requests, random_, now - (spans // 6 - number) * 2_000_000)
        for service, request in open_requests.items():
            if len(request.resource_spans[0].scope_spans[0].spans) >= BATCH:
                yield request.SerializeToString()
                open_requests[service] = _request(service)
    for request in open_requests.values():
        if request.resource_spans[0].scope_spans[0].spans:
            yield request.SerializeToString()


def _request(service: str) -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    for key, value in (("service.name", service), ("service.version", "1.0.0"), ("telemetry.sdk.language", "python")):
        resource_spans.resource.attributes.add(key=key).value.string_value = value
    resource_spans.scope_spans.add().scope.name = "devenv.tracing"
    return request


def _trace(requests: dict[str, ExportTraceServiceRequest], random_: random.Random, start: int) -> None:
    trace_id = random_.randbytes(16)
    parent = b""
    took = random_.randint(2, 60) * 1_000_000
    status = 500 if random_.random() < 0.05 else 200
    for depth, (service, name, kind) in enumerate(
        (
            ("gateway", "GET /orders/{id}", 2),
            ("gateway", "GET auth", 3),
            ("auth", "GET /verify", 2),
            ("auth", "check token", 1),
            ("user", "GET /users/{id}", 2),
            ("user", "SELECT users", 3),
        )
    ):
        span = (
            requests[service]
            .resource_spans[0]
            .scope_spans[0]
            .spans.add(
                trace_id=trace_id,
                span_id=random_.randbytes(8),
                parent_span_id=parent,
                name=name,
                kind=kind,
                start_time_unix_nano=start + depth * 100_000,
                end_time_unix_nano=start + took - depth * 100_000,
            )
        )
        parent = span.span_id
        attributes = span.attributes
        attributes.add(key="http.request.method").value.string_value = "GET"
        attributes.add(key="http.route").value.string_value = "/orders/{id}"
        attributes.add(key="url.path").value.string_value = f"/orders/{random_.randrange(10**6)}"
        attributes.add(key="http.response.status_code").value.int_value = status
        attributes.add(key="server.port").value.int_value = 8080


def spans_in(body: bytes) -> int:
    parts = ExportTraceServiceRequest.FromString(body).resource_spans
    return sum(len(scope.spans) for part in parts for scope in part.scope_spans)
