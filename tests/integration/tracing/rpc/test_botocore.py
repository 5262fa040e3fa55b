"""boto3's clients against a loopback server that speaks as S3 and DynamoDB do."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from servers.aws import aws_clients

from devenv import tracing
from devenv.tracing.integrations import urllib3_client
from devenv.tracing.integrations.rpc import botocore as integration


@pytest.fixture
def client(rec, patched):
    integration.instrument()
    urllib3_client.instrument()
    with aws_clients() as make:
        yield make


def test_each_operation_has_one_span(rec, client):
    with tracing.span("caller") as caller:
        client("s3").get_object(Bucket="b", Key="k")["Body"].read()
        client("dynamodb").put_item(TableName="t", Item={"secret": {"S": "v"}})
    first, second = rec.spans("S3.GetObject") + rec.spans("DynamoDB.PutItem")
    assert len(rec.spans()) == 3
    assert first.parent_id == second.parent_id == f"{caller.get_span_context().span_id:016x}"
    assert first.kind == "client"
    port = first.attributes.pop("server.port")
    assert first.attributes == {
        "rpc.system": "aws-api",
        "rpc.service": "S3",
        "rpc.method": "GetObject",
        "cloud.region": "eu-west-1",
        "server.address": "127.0.0.1",
        "aws.s3.bucket": "b",
        "aws.request_id": "request-1",
        "aws.extended_request_id": "host-1",
        "http.response.status_code": 200,
    }
    assert second.attributes["server.port"] == port
    assert list(second.attributes["aws.dynamodb.table_names"]) == ["t"]
    assert second.attributes["db.system.name"] == "aws.dynamodb"


def test_a_refusal_has_the_code_of_the_service_and_a_dead_endpoint_its_exception(rec, client):
    with pytest.raises(ClientError):
        client("s3").get_object(Bucket="b", Key="missing")
    with pytest.raises(EndpointConnectionError):
        client("s3", port=1).get_object(Bucket="b", Key="k")
    refused, dead = rec.spans()
    assert (refused.status, refused.attributes["error.type"]) == ("error", "NoSuchKey")
    assert (refused.attributes["http.response.status_code"], refused.attributes["aws.request_id"]) == (404, "request-1")
    assert dead.attributes["error.type"] == "botocore.exceptions.EndpointConnectionError"
