"""botocore, and so boto3: a client span for each operation, with all its attempts.

Name and attributes follow the semantic conventions for AWS SDK clients, which are in development
(https://opentelemetry.io/docs/specs/semconv/cloud-providers/aws-sdk/). Of the parameters, only the names of a bucket, a
table or a queue are recorded. The HTTP client below creates no spans, and the requests are signed as without tracing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.trace import INVALID_SPAN, Span

from devenv.tracing.context.ambient import current
from devenv.tracing.context.suppression import without_http
from devenv.tracing.process.faults import fault
from devenv.tracing.process.patching import replace
from devenv.tracing.process.stock import taken
from devenv.tracing.spans import KINDS, SpanScope, block_of

_LIBRARY = "botocore"
_PARAMETERS = {"Bucket": "aws.s3.bucket", "QueueUrl": "aws.sqs.queue.url"}
_PORTS = {"https": 443, "http": 80}


def instrument() -> None:
    """Trace every client of the process."""
    from botocore.client import BaseClient  # type: ignore[import-untyped] # it has no type hints

    if not taken("botocore"):
        replace(BaseClient, "_make_api_call", _make_call)


def _make_call(original: Callable[..., Any]) -> Callable[..., Any]:
    def call(self: Any, operation_name: str, api_params: Any) -> Any:
        with block_of(_LIBRARY, lambda: _scope(self, operation_name, api_params)) as span:
            response = original(self, operation_name, api_params)
            _answered(span, response)
            return response

    return call


class OperationScope(SpanScope):
    """The span of an operation; the HTTP client below is silent."""

    __slots__ = ()

    def __enter__(self) -> Span:
        span = super().__enter__()
        try:
            without_http(current(), is_new=span is not INVALID_SPAN)
        except Exception as error:  # noqa: BLE001 - logged
            fault(_LIBRARY, error)
        return span

    def _broken(self, exc: BaseException) -> None:
        super()._broken(exc)
        response = getattr(exc, "response", None)
        if isinstance(response, dict):  # the service has answered with an error
            _answered(self._span, response)
            code = response.get("Error", {}).get("Code")
            if code:
                self._span.set_attribute("error.type", str(code))


def _scope(client: Any, operation: str, parameters: Any) -> OperationScope:
    service = str(client.meta.service_model.service_id)
    attributes: dict[str, Any] = {"rpc.system": "aws-api", "rpc.service": service, "rpc.method": operation}
    attributes.update(_place(client.meta))
    if isinstance(parameters, Mapping):
        attributes.update({name: str(parameters[key]) for key, name in _PARAMETERS.items() if key in parameters})
        if "TableName" in parameters:
            attributes["aws.dynamodb.table_names"] = [str(parameters["TableName"])]
    if service == "DynamoDB":
        attributes["db.system.name"] = "aws.dynamodb"
    return OperationScope(f"{service}.{operation}", KINDS["client"], attributes)


def _place(meta: Any) -> dict[str, Any]:
    """Return the attributes of a client's region and endpoint."""
    found: dict[str, Any] = {}
    if meta.region_name:
        found["cloud.region"] = meta.region_name
    endpoint = urlsplit(meta.endpoint_url)
    if endpoint.hostname:
        found["server.address"] = endpoint.hostname
        found["server.port"] = endpoint.port or _PORTS.get(endpoint.scheme, 443)
    return found


def _answered(span: Span, response: Any) -> None:
    """Record what the service says of a response; does not raise."""
    try:
        if not span.is_recording() or not isinstance(response, dict):
            return
        about = response.get("ResponseMetadata", {})
        if about.get("RequestId"):
            span.set_attribute("aws.request_id", about["RequestId"])
        if about.get("HostId"):
            span.set_attribute("aws.extended_request_id", about["HostId"])
        if about.get("HTTPStatusCode"):
            span.set_attribute("http.response.status_code", about["HTTPStatusCode"])
        if about.get("RetryAttempts"):
            span.set_attribute("http.request.resend_count", about["RetryAttempts"])
    except Exception as error:  # noqa: BLE001 - logged
        fault(_LIBRARY, error)
