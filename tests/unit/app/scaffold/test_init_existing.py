"""`devenv init --from`: only lines are added, the entry point is found or asked for, each service is told apart."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from devenv.app.invocation import Invocation
from devenv.app.scaffold import changes
from devenv.app.scaffold.entrypoint import choose_entrypoint
from devenv.app.scaffold.init_existing import PreparationOptions, prepare_existing
from devenv.cli.main import run
from devenv.errors import ConfigurationError, EnvironmentFailure, StackFileError, UnknownName, UsageError
from devenv.stack.loader import load_stack

SHOP = """\
# Shop: the whole of it.

x-log: &log   # shared
  LOG_LEVEL: "info"

# --- services ---
services:
  web:            # the front
    build: ./web
    ports: ["8000:8000"]
    environment: {<<: *log}
    depends_on: [api]
  api:
    image: python:3.12-slim
    command: uvicorn api:app
    ports:
      - 9000:9000
    environment:
      OTEL_EXPORTER_OTLP_ENDPOINT: http://elsewhere:4318
    depends_on:
      db: {condition: service_healthy}

  worker:
    image: shop/worker
    network_mode: none
    x-devenv: {instrument: false}
  db:
    image: registry.example:5000/bitnami/postgresql:16@sha256:00
    ports: ["5432:5432"]
    healthcheck: {test: pg_isready}
  collector:
    image: otel/opentelemetry-collector-contrib:0.1
    ports: ["4318:4318"]
  debug: {image: busybox, profiles: [debug]}

volumes: {} # none
"""
WEB = """\
FROM node:22 AS assets
CMD ["node"]
FROM python:3.12-slim
COPY --from=assets a b
ENTRYPOINT ["gunicorn"]
CMD ["shop.web:app", \\
     "-b", "0.0.0.0:8000"]
"""


@pytest.fixture
def shop(tmp_path: Path) -> Invocation:
    (tmp_path / "compose.yaml").write_text(SHOP)
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "Dockerfile").write_text(WEB)
    (tmp_path / "web" / "requirements.txt").write_text("no-such-distribution\n")
    return Invocation(directory=tmp_path)


def prepared(invocation: Invocation, file: str = "compose.yaml", **options: object):
    return prepare_existing(invocation, PreparationOptions(file=Path(file), **options))  # type: ignore[arg-type]


def only_adds(old: str, new: str) -> bool:
    return not [line for line in difflib.ndiff(old.splitlines(), new.splitlines()) if line[0] in "-?"]


@pytest.mark.parametrize(
    "text",
    [
        SHOP,
        SHOP.replace("\n", "\r\n"),
        "services:\n  web: {image: x, ports: ['1:1']}",
        "# One comment above.\nservices:\n  web: {image: x, ports: ['1:1']}\n",
        "---\n# Of the document.\n\nservices:\n  web: {image: x, ports: ['1:1']}\n...\n",
        "volumes: {}\nservices: {web: {image: x, ports: ['1:1']}}\n",
        "\ufeffservices:\n  web: {image: x, ports: ['1:1']}\n",
        "  services:\n    web: {image: x, ports: ['1:1']}\n",
    ],
)
def test_lines_are_added_and_none_changes(tmp_path, text):
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "Dockerfile").write_text(WEB)
    file = tmp_path / "compose.yaml"
    file.write_bytes(text.encode())
    before = load_stack([file], environ={})
    prepared(Invocation(directory=tmp_path))
    after = file.read_bytes().decode()
    assert text.startswith("\ufeff") == after.startswith("\ufeff")
    assert only_adds(text.removeprefix("\ufeff"), after.removeprefix("\ufeff"))
    assert ("\r\n" in text) == ("\r\n" in after)
    assert after.count("\n") - after.count("\r\n") == (0 if "\r\n" in text else after.count("\n"))
    loaded = load_stack([file], environ={})
    assert (loaded.x.entrypoint, loaded.x.canary.path) == ("web", "/")
    assert [service.environment for service in loaded.services.values()] == [
        service.environment for service in before.services.values()
    ]
    assert list(loaded.x.load.scenarios) == ["main"]


def test_the_block_stands_above_the_services_and_their_comment(shop):
    prepared(shop)
    lines = (shop.directory / "compose.yaml").read_text().splitlines()
    assert lines.index("x-devenv:") < lines.index("# --- services ---") == lines.index("services:") - 1
    assert lines[lines.index("x-devenv:") - 1] == lines[lines.index("# --- services ---") - 1] == ""


def test_a_files_own_comment_stays_on_top(tmp_path):
    (tmp_path / "compose.yaml").write_text("# Shop.\nservices:\n  web: {image: x, ports: ['1:1']}\n")
    prepared(Invocation(directory=tmp_path))
    assert (tmp_path / "compose.yaml").read_text().startswith("# Shop.\nx-devenv:\n")


def test_a_file_in_braces_cannot_take_comments_and_says_so(tmp_path):
    text = "{services: {web: {image: x, ports: ['1:1']}}}\n"
    (tmp_path / "compose.yaml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        prepared(Invocation(directory=tmp_path))
    assert caught.value.hint == "change it by hand"
    assert (tmp_path / "compose.yaml").read_text() == text


def test_second_time_changes_nothing(shop):
    first = prepared(shop)
    text = (shop.directory / "compose.yaml").read_text()
    assert first.changed
    again = prepared(shop, entrypoint="api")
    assert (again.changed, again.files, again.diff, again.entrypoint) == (False, [], "", "web")
    assert "compose.yaml already has x-devenv" in again.notes[0]
    assert (shop.directory / "compose.yaml").read_text() == text


def test_x_devenv_in_the_override_file_counts(shop):
    (shop.directory / "compose.override.yaml").write_text("x-devenv: {entrypoint: api}\n")
    document = prepared(shop)
    assert (document.changed, document.entrypoint) == (False, "api")
    assert "compose.override.yaml already has x-devenv" in document.notes[0]
    assert (shop.directory / "compose.yaml").read_text() == SHOP


def test_a_dry_run_shows_the_diff_and_changes_nothing(shop):
    document = prepared(shop, library=True, dry_run=True, canary_path="/shop?x=$1")
    assert (document.changed, document.dry_run) == (False, True)
    assert [name.partition("-")[0] for name in document.files] == ["compose.yaml", "vendor/devenv_otel"]
    assert '+    path: "/shop?x=$$1"' in document.diff.splitlines()
    assert (shop.directory / "compose.yaml").read_text() == SHOP
    assert not (shop.directory / "vendor").exists()


def test_a_path_with_a_dollar_comes_out_as_it_was_given(shop):
    prepared(shop, canary_path="/a b?x=$1#: y")
    assert load_stack([shop.directory / "compose.yaml"], environ={}).x.canary.path == "/a b?x=$1#: y"


def test_the_library_comes_when_asked_for_and_goes_with_a_failure(shop, monkeypatch):
    real = changes.replace_file

    def fails(path, content):
        if path.suffix == ".yaml":
            real(path, content)
        raise EnvironmentFailure("no")

    with monkeypatch.context() as patched:
        patched.setattr(changes, "replace_file", fails)
        with pytest.raises(EnvironmentFailure):
            prepared(shop, library=True)
    assert (shop.directory / "compose.yaml").read_text() == SHOP
    document = prepared(shop, library=True)
    assert (shop.directory / document.files[1]).is_file()
    assert document.files[1].startswith("vendor/devenv_otel-")
    assert prepared(shop, library=True).files == []


def test_each_service_is_told_apart(shop):
    parts = {part.name: part for part in prepared(shop, dry_run=True).services}
    assert {name: part.tracing for name, part in parts.items()} == {
        "web": "added",
        "api": "own",
        "worker": "off",
        "db": "infrastructure",
        "collector": "infrastructure",
    }
    assert {"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME"} <= set(parts["web"].added)
    assert parts["api"].own == ["OTEL_EXPORTER_OTLP_ENDPOINT"]
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in parts["api"].added
    assert parts["worker"].added == []
    assert "instrument: false" in parts["db"].notes[0]
    assert "role: trace-backend" in parts["collector"].notes[0]


def test_python_services_are_told_how_to_start_traced(shop):
    parts = {part.name: part for part in prepared(shop, dry_run=True).services}
    assert {name: part.traced_command for name, part in parts.items() if part.traced_command} == {
        "web": "python -m devenv.tracing -- gunicorn shop.web:app -b 0.0.0.0:8000",
        "api": "python -m devenv.tracing -- uvicorn api:app",
    }
    assert parts["web"].process == (
        'x-devenv: { process: { command: "gunicorn shop.web:app -b 0.0.0.0:8000", port_env: PORT } }'
    )
    assert parts["db"].process is None
    assert "the process engine runs PostgreSQL" in parts["db"].notes[1]


def test_what_the_process_engine_derives_is_written_down(tmp_path):
    files = {
        "compose.yaml": (
            "services:\n  web:  # the front\n    build: web\n    ports: ['8000:8000']\n    depends_on: [api]\n"
            "  api: {build: web}\n  own:\n    build: web\n    x-devenv: {instrument: false}\n"
        ),
        "web/Dockerfile": (
            "FROM python:3.12\nWORKDIR /app\nCOPY . .\nENV GREETING='a, b'\nCMD gunicorn -b 0.0.0.0:8000 shop:app\n"
        ),
        "web/.venv/bin/python": "",
        "web/.venv/bin/gunicorn": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    document = prepared(Invocation(directory=tmp_path))
    new = (tmp_path / "compose.yaml").read_text()
    assert only_adds(files["compose.yaml"], new)
    stack = load_stack((tmp_path / "compose.yaml",), environ={})
    process = stack.services["web"].x.process
    assert process is not None
    assert process.command == ("sh", "-c", 'exec .venv/bin/gunicorn -b 0.0.0.0:"$PORT" shop:app')
    assert (process.cwd, process.env, process.same_port) == ("web", {"GREETING": "a, b"}, True)
    assert (stack.services["api"].x.process, stack.services["own"].x.process) == (None, None)
    shown = {part.name: part.process for part in document.services}
    assert f"    {shown['web']}\n" in new
    assert shown["api"] is not None
    assert "cwd: web" in shown["api"]


def test_what_is_traced_or_has_its_process_already_is_left_alone(tmp_path):
    (tmp_path / "compose.yaml").write_text(
        "services:\n  web:\n    image: python:3.12\n    command: python -m devenv.tracing -- python app.py\n"
        "    ports: ['1:1']\n    x-devenv: {process: {command: python app.py}}\n"
        "  jaeger: {image: jaegertracing/jaeger:2.13.0, ports: ['16686:16686']}\n"
    )
    web, jaeger = prepared(Invocation(directory=tmp_path)).services
    assert (web.traced_command, web.process) == (None, None)
    assert (jaeger.tracing, jaeger.added, jaeger.process) == ("trace-backend", [], None)


def test_what_is_not_looked_at_and_what_comes_next_is_said(shop):
    document = prepared(shop)
    assert document.inactive == ["debug"]
    assert document.next[:2] == ["devenv up --dry-run", "devenv up"]


def test_a_file_elsewhere_is_named_in_what_comes_next(shop):
    (shop.directory / "deploy").mkdir()
    (shop.directory / "deploy" / "dev.yaml").write_text("services: {web: {image: x, ports: ['1:1']}}\n")
    document = prepared(shop, "deploy/dev.yaml")
    assert document.next[1] == "devenv -f deploy/dev.yaml up"
    assert (shop.directory / "compose.yaml").read_text() == SHOP


def test_errors_of_the_file_are_shown_as_they_are(tmp_path):
    text = "services:\n  web:\n    imag: x\n"
    (tmp_path / "compose.yaml").write_text(text)
    with pytest.raises(StackFileError, match=r"compose\.yaml:3:5.*imag"):
        prepared(Invocation(directory=tmp_path))
    with pytest.raises(ConfigurationError, match=r"missing\.yaml"):
        prepared(Invocation(directory=tmp_path), "missing.yaml")
    assert (tmp_path / "compose.yaml").read_text() == text


def test_a_canary_path_starts_with_a_slash(shop):
    with pytest.raises(UsageError, match="starting with /"):
        prepared(shop, canary_path="shop")


ENTRY = {
    "only one": ("a: {ports: ['1:1']}\nb: {}", "a"),
    "above the other": ("a: {ports: ['1:1'], depends_on: [x]}\nx: {depends_on: [b]}\nb: {ports: ['2:2']}", "a"),
    "no database": ("a: {ports: ['1:1']}\ndb: {image: 'postgres:16', ports: ['5432:5432']}", "a"),
    "no backend": ("a: {ports: ['1:1']}\nj: {image: 'jaegertracing/jaeger:2.13.0', ports: ['16686:16686']}", "a"),
    "no udp": ("a: {ports: ['1:1']}\nb: {ports: ['2:2/udp']}", "a"),
}


def stack_of(folder: Path, services: str):
    lines = [line if "image" in line else line.replace("{", "{image: x, ", 1) for line in services.splitlines()]
    (folder / "compose.yaml").write_text("services:\n" + "".join(f"  {line}\n" for line in lines).replace(", }", "}"))
    return load_stack([folder / "compose.yaml"], environ={})


@pytest.mark.parametrize(("services", "expected"), ENTRY.values(), ids=ENTRY)
def test_the_entry_point_is_the_most_upstream_service_that_publishes(tmp_path, services, expected):
    assert choose_entrypoint(stack_of(tmp_path, services)) == expected


def test_several_entry_points_need_a_choice(tmp_path):
    stack = stack_of(tmp_path, "a: {ports: ['1:1']}\nb: {ports: ['2:2']}\nc: {}\nd: {expose: ['1']}")
    with pytest.raises(UsageError, match="could be the entry point: a, b") as caught:
        choose_entrypoint(stack)
    assert caught.value.details == {"candidates": ["a", "b"]}
    assert choose_entrypoint(stack, "b") == "b"
    assert choose_entrypoint(stack, "d") == "d"
    with pytest.raises(ConfigurationError, match="c has no port"):
        choose_entrypoint(stack, "c")
    with pytest.raises(UnknownName, match="'aa'"):
        choose_entrypoint(stack, "aa")


def test_no_entry_point_says_what_to_do(tmp_path):
    with pytest.raises(UsageError, match="publishes a port") as caught:
        choose_entrypoint(stack_of(tmp_path, "a: {expose: ['1']}\nr: {image: redis, ports: ['1:1']}"))
    assert "--entrypoint" in caught.value.hint


def test_people_read_the_diff_and_each_service(shop, capsys):
    assert run(["-C", str(shop.directory), "init", "--from", "compose.yaml", "--dry-run"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "would write compose.yaml" in said
    assert "+  entrypoint: web" in said
    assert "db: infrastructure (registry.example:5000/bitnami/postgresql:16@sha256:00)" in said
    assert "Entry point: web" in said
