"""`devenv run`: the service's name, the environment of the program, and what is refused before it starts."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from tracing_collector import dead_port

from devenv.tracing.errors import ConfigError, LaunchError
from devenv.tracing.launch.program import LIBRARIES, STARTUP, answers, environment, prepare, recorded_endpoint
from devenv.tracing.launch.program_name import service_name

OWN = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("python -m shop.web", "shop.web"),
        ("python3.12 -m shop.web --port 1", "shop.web"),
        ("python -mshop.web", "shop.web"),
        ("python -m shop", "shop"),
        ("python -m shop.__main__", "shop"),
        ("python -m shop.app", "shop"),
        ("python -m app", "folder"),
        ("python worker.py -m other", "worker"),
        ("python -u -W error -X dev worker.py", "worker"),
        ("/usr/bin/python3 shop/app.py", "shop"),
        ("python app.py", "folder"),
        ("python src/main.py", "folder"),
        ("python manage.py runserver", "folder"),
        ("./manage.py runserver", "folder"),
        ("./worker.py", "worker"),
        ("python ../other/app.py", "other"),
        ("python -c pass", "folder"),
        ("python -", "folder"),
        ("python", "folder"),
        ("uvicorn shop.app:app --workers 2", "shop"),
        ("uvicorn --host localhost --port 8000 shop.web:make()", "shop.web"),
        ("/v/bin/uvicorn app:app", "folder"),
        ("python -m uvicorn shop.app:app --reload", "shop"),
        ("gunicorn -w 4 -b 0.0.0.0:80 shop.wsgi:application", "shop"),
        ("gunicorn -w 4 shop.wsgi", "shop"),
        ("gunicorn -c gunicorn.conf.py --bind=localhost:8000", "folder"),
        ("flask --app shop run", "shop"),
        ("flask --app=shop/app.py:make run", "shop"),
        ("flask run", "from_flask_app"),
        ("python -m flask -A shop.web run", "shop.web"),
        ("fastapi dev shop/main.py --port 1", "shop"),
        ("celery -A shop worker", "shop"),
        ("uv run python -m shop.web", "shop.web"),
        ("poetry run uvicorn shop.app:app", "shop"),
        ("uv run --frozen x", "uv"),
        ("pytest tests", "pytest"),
    ],
)
def test_name_of_a_command(command, name, tmp_path):
    (tmp_path / "folder").mkdir()
    assert service_name(command.split(), tmp_path / "folder", {"FLASK_APP": "from_flask_app:make"}) == name


def made(tmp_path, command=("python3", "-m", "shop.web"), **options):
    given = {"PATH": os.environ["PATH"], OWN: dead_port(), **options.pop("environ", {})}
    return prepare(command, environ=given, directory=tmp_path, **options)


def test_what_is_not_set_gets_what_up_gives_services(tmp_path):
    program = made(tmp_path, environ={OWN: "", "PYTHONPATH": "/a"}, endpoint="http://127.0.0.1:9/")
    found = program.environ
    assert program.command == ("python3", "-m", "shop.web")
    assert os.access(program.path, os.X_OK)
    assert found["PYTHONPATH"] == os.pathsep.join([str(STARTUP), "/a"])
    assert {name: value for name, value in found.items() if name.startswith("OTEL_")} == {
        OWN: "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_SERVICE_NAME": "shop.web",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
    assert program.notes == (
        "no OTLP receiver responds at http://127.0.0.1:9; traces may be lost until one does (hint: run `devenv up`)",
    )


@pytest.mark.parametrize("taken", [(), ("/v1/logs",), ("/v1/logs", "/v1/metrics")])
def test_metrics_and_logs_are_sent_to_a_receiver_that_takes_them(tmp_path, taken):
    asked = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            asked.append((self.path, self.headers["Content-Type"], self.headers["Content-Length"]))
            self.send_response(200 if self.path in taken else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        found = made(tmp_path, environ={OWN: url}).environ
        mine = made(tmp_path, environ={OWN: url, "OTEL_LOGS_EXPORTER": "console"}).environ
        server.shutdown()
    variables = {"/v1/metrics": "OTEL_METRICS_EXPORTER", "/v1/logs": "OTEL_LOGS_EXPORTER"}
    for path, variable in variables.items():
        assert found.get(variable) == (None if path in taken else "none")
    assert asked[:2] == [(path, "application/x-protobuf", "0") for path in variables]
    assert mine["OTEL_LOGS_EXPORTER"] == "console"


def test_without_a_project_the_default_endpoint_is_taken(tmp_path):
    assert made(tmp_path, environ={OWN: ""}).environ[OWN] == "http://127.0.0.1:4318"


def test_what_the_environment_sets_stays(tmp_path):
    mine = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{dead_port()}/v1/traces",
        OWN: "",
        "OTEL_SERVICE_NAME": "mine",
        "OTEL_BSP_SCHEDULE_DELAY": "7",
        "OTEL_METRICS_EXPORTER": "otlp",
    }
    found = made(tmp_path, environ=mine, endpoint="http://127.0.0.1:9").environ
    assert {name: found[name] for name in mine} == mine
    assert made(tmp_path, environ=mine, service_name="flag").environ["OTEL_SERVICE_NAME"] == "flag"
    resource = {"OTEL_RESOURCE_ATTRIBUTES": "service.name=mine"}
    assert "OTEL_SERVICE_NAME" not in made(tmp_path, environ=resource).environ


@pytest.mark.parametrize("by", ["option", "variable"])
def test_what_the_configuration_sets_is_not_overridden(tmp_path, by):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"tracing:\n  service_name: mine\n  exporter: {{endpoint: '{dead_port()}/v1/traces'}}\n"
        "  profiles: {development: {batch: {schedule_delay_ms: 9}}}\n"
    )
    given = {"DEVENV_TRACING_CONFIG": str(config)} if by == "variable" else {}
    found = made(tmp_path, environ={OWN: "", **given}, config=None if given else config).environ
    assert not {"OTEL_SERVICE_NAME", "OTEL_BSP_SCHEDULE_DELAY"} & set(found)
    assert not found[OWN]
    assert found["DEVENV_TRACING_CONFIG"] == str(config)


def test_nothing_is_said_where_something_answers_or_nothing_is_sent(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        assert answers(url)
        assert made(tmp_path, environ={OWN: url}).notes == ()
    assert not answers(url)
    assert not answers("http://127.0.0.1:99999")
    assert made(tmp_path).notes
    for quiet in ({"OTEL_SDK_DISABLED": "true"}, {"OTEL_TRACES_EXPORTER": "console"}):
        assert made(tmp_path, environ=quiet).notes == ()


def test_wrong_configuration_is_refused_before_the_program_starts(tmp_path):
    (tmp_path / "config.yaml").write_text("tracing:\n  sampler: {ratio: 2}\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:2:20"):
        made(tmp_path, config=tmp_path / "config.yaml")
    with pytest.raises(ConfigError, match=r"'flaks', expected one of aio_pika, aiohttp.*did you mean flask\?"):
        made(tmp_path, leave_out=["flaks"])


def test_libraries_to_leave_out(tmp_path):
    assert made(tmp_path, leave_out=["flask", "asgi"]).environ["DEVENV_TRACING_LEAVE_OUT"] == "asgi,flask"


@pytest.mark.parametrize(
    ("command", "said", "hint"),
    [
        ((), "no command", "devenv run -- python app.py"),
        (("no-such-program",), "command 'no-such-program' not found: not on the PATH", "after --"),
        (("./no-such-program",), "no such file", "after --"),
        (("script.py",), "script.py is a file, not a command", "python script.py"),
        (("./script.py",), "script.py is a file, not a command", "chmod"),
    ],
)
def test_what_cannot_be_run_is_refused_with_a_hint(tmp_path, monkeypatch, command, said, hint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "script.py").write_text("")
    with pytest.raises(LaunchError, match=said) as caught:
        made(tmp_path, command)
    assert hint in caught.value.hint


def test_the_startup_folder_stands_first_and_once_and_the_libraries_are_named():
    twice = environment(environment({"PYTHONPATH": "/a"}, service_name="s"))
    assert twice["PYTHONPATH"].split(os.pathsep) == [str(STARTUP), "/a"]
    version, *folders = twice[LIBRARIES].split(os.pathsep)
    assert version == f"{sys.version_info[0]}.{sys.version_info[1]}{sys.abiflags}"
    for name in ("devenv/tracing/runtime.py", "opentelemetry/trace/__init__.py", "yaml/__init__.py"):
        assert any(Path(folder, name).exists() for folder in folders), name


@pytest.mark.parametrize(
    ("record", "found"),
    [
        ({"otlp_http_url": "http://127.0.0.1:14318"}, "http://127.0.0.1:14318"),
        ({"otlp_http_url": "http://127.0.0.1:14318", "id": "x"}, ""),
        ({"otlp_http_url": None}, ""),
        ({"id": "of an older version"}, ""),
        ([], ""),
        (None, ""),
    ],
)
@pytest.mark.skipif(sys.version_info < (3, 11), reason="the tool writes the record, and requires Python 3.11")
def test_the_endpoint_that_up_recorded(tmp_path, record, found):
    assert recorded_endpoint(tmp_path) == ""
    (tmp_path / ".devenv").mkdir()
    if isinstance(record, dict):
        from devenv.model.identity import identify  # the tool's

        record = {"id": identify(tmp_path, "x").id, **record}
    (tmp_path / ".devenv" / "project.json").write_text("{" if record is None else json.dumps(record))
    assert recorded_endpoint(tmp_path) == found
