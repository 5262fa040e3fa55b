"""A program with botocore's stubbed client, for `test_own_faults`: what it sees of each operation is returned."""

from __future__ import annotations

from typing import Any

import boto3
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from devenv.tracing.integrations.rpc import botocore as integration


def with_botocore(_url: str) -> Any:
    """An operation that succeeds, and one that the service refuses."""
    integration.instrument()
    client = boto3.client("sqs", region_name="eu-west-1", aws_access_key_id="a", aws_secret_access_key="b")
    stub = Stubber(client)
    stub.add_response("list_queues", {"QueueUrls": ["u"]})
    stub.add_client_error("list_queues", "AccessDenied", "no")
    answers: list[Any] = []
    with stub:
        for _ in range(2):
            try:
                answers.append(client.list_queues()["QueueUrls"])
            except ClientError as error:
                answers.append(error.response["Error"]["Code"])
    return answers
