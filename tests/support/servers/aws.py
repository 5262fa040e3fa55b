"""A server on loopback that answers as S3, DynamoDB and SQS do, and boto3's clients for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import boto3
from botocore.config import Config

_IDS = {"x-amz-request-id": "request-1", "x-amz-id-2": "host-1"}


class Service(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(404 if "missing" in self.path else 200, b"<Error><Code>NoSuchKey</Code></Error>")

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.answer(200, b"{}", ids={"x-amzn-requestid": "request-1"})

    def answer(self, status, body, ids=_IDS):
        self.send_response(status)
        for name, value in ids.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextmanager
def aws_clients() -> Iterator[Callable[..., Any]]:
    """Serve; makes a client for the name of a service, and for another port."""
    server = HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()

    def make(service: str, port: int = server.server_port) -> Any:
        return boto3.client(
            service,
            endpoint_url=f"http://127.0.0.1:{port}",
            region_name="eu-west-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",
            config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
        )

    yield make
    server.shutdown()
    thread.join()
    server.server_close()
