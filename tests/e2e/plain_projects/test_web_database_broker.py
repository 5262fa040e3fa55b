"""nginx, MariaDB and RabbitMQ by image on the process engine, around a service without a line of tracing."""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from devenv_cli import Devenv, wait_for_trace

COMPOSE = """\
services:
  front:
    image: nginx:1.27-alpine
    ports: ["8430:80"]
    volumes: ["./site.conf:/etc/nginx/conf.d/default.conf:ro", "./pages:/usr/share/nginx/html:ro"]
    depends_on: [shop]
  shop:
    build: shop
    environment:
      DATABASE_URL: mariadb+pymysql://shop:secret@db:3306/orders
      BROKER_URL: amqp://shop:secret@broker:5672/%2f
    depends_on:
      db: { condition: service_started }
      broker: { condition: service_started }
  db:
    image: mariadb:11
    environment: { MARIADB_USER: shop, MARIADB_PASSWORD: secret, MARIADB_DATABASE: orders, MARIADB_ROOT_PASSWORD: root }
    volumes: ["data:/var/lib/mysql"]
  broker:
    image: rabbitmq:4-alpine
    environment: { RABBITMQ_DEFAULT_USER: shop, RABBITMQ_DEFAULT_PASS: secret }
volumes: { data: {} }
"""
SITE = """\
server {
  listen 80;
  root /usr/share/nginx/html;
  location / { proxy_pass http://shop:8000; }
  location /pages/ { alias /usr/share/nginx/html/; }
}
"""
APP = """\
import os
import pika
from flask import Flask
from sqlalchemy import create_engine, text

app = Flask(__name__)
engine = create_engine(os.environ["DATABASE_URL"])


@app.get("/")
def order():
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS item (id int)"))
        connection.execute(text("INSERT INTO item VALUES (1)"))
        count = connection.execute(text("SELECT count(*) FROM item")).scalar_one()
    broker = pika.BlockingConnection(pika.URLParameters(os.environ["BROKER_URL"]))
    channel = broker.channel()
    channel.queue_declare("orders")
    channel.basic_publish("", "orders", b"one")
    broker.close()
    return str(count)
"""
DOCKERFILE = """\
FROM python:3.12-slim
WORKDIR /app
COPY . .
RUN pip install flask pika pymysql sqlalchemy
EXPOSE 8000
CMD ["flask", "run", "--host=0.0.0.0", "--port=8000"]
"""
FILES = {
    "compose.yaml": COMPOSE,
    "site.conf": SITE,
    "pages/hello.txt": "hello",
    "shop/app.py": APP,
    "shop/Dockerfile": DOCKERFILE,
}
TRACE_ID = "7" * 31 + "3"


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Devenv]:
    if shutil.which("nginx") is None:
        pytest.skip("there is no nginx: Debian's package is nginx")
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    tool = Devenv(tmp_path, "process", files=())
    yield tool
    tool.down()


@pytest.mark.mariadb
@pytest.mark.rabbitmq
def test_a_request_is_traced_from_nginx_on_to_the_database_and_the_broker(project: Devenv) -> None:
    up = project.json("up")
    assert (up["canary"]["verdict"], up["canary"]["services"]) == ("complete", ["shop"]), up["canary"]
    traced = {service["name"]: service["tracing"]["by"] for service in up["services"]}
    assert traced == {"shop": "devenv", **dict.fromkeys(("front", "db", "broker", "jaeger"), "not needed")}
    assert up["entrypoint_url"] == "http://127.0.0.1:8430"
    headers = {"traceparent": f"00-{TRACE_ID}-{'6' * 16}-01"}
    with urllib.request.urlopen(urllib.request.Request(up["entrypoint_url"], headers=headers), timeout=20) as answer:
        assert int(answer.read()) > 1
    with urllib.request.urlopen(f"{up['entrypoint_url']}/pages/hello.txt", timeout=5) as answer:
        assert answer.read() == b"hello"
    trace = wait_for_trace(up["trace_backend"]["query_url"], TRACE_ID, {"shop"}, spans=5)
    tags = {(tag["key"], tag["value"]) for span in trace["spans"] for tag in span["tags"]}
    assert {("db.system.name", "mariadb"), ("messaging.system", "rabbitmq")} <= tags
    assert project.json("down")["kept"]["volumes"] == ["data"]
    assert not (project.directory / ".devenv/servers").exists()
