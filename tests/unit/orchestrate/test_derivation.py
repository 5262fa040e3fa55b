"""What the process engine runs for services that name no process: by Dockerfile, command and the files at hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from devenv.errors import ConfigurationError
from devenv.model.extension import StackExtension
from devenv.model.stack import Build, Healthcheck, Mount, Port, Stack
from devenv.orchestrate.derivation.outcome import Derived, Machine, Missing
from devenv.orchestrate.derivation.service import derive_service
from devenv.orchestrate.derivation.stack import Derivation, derive_stack
from devenv.testing import make_service

MACHINE = Machine(
    which={"node": "/n", "npm": "/n", "java": "/j", "python": "/p", "caddy": "/c"}.get, has_package=lambda name: False
)
VENV = {
    "api/.venv/bin/python": "",
    "api/.venv/bin/gunicorn": "",
    "api/.venv/bin/flask": "",
    "api/.venv/bin/uvicorn": "",
}


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def stack_of(root: Path, *services: Any) -> Stack:
    return Stack(
        name=None,
        directory=root,
        files=(root / "compose.yaml",),
        services={s.name: s for s in services},
        x=StackExtension(),
    )


def derived(root: Path, dockerfile: str, files: Mapping[str, str], **fields: Any) -> Derived | Missing:
    write(root, {"api/Dockerfile": dockerfile, **files})
    service = make_service("api", build=Build(context=root / "api"), **fields)
    return derive_service(service, stack_of(root, service), MACHINE)


PLAIN = "FROM python:3.12\nWORKDIR /app\nCOPY . .\nEXPOSE 8301\n"
JAR = """\
FROM maven AS b
WORKDIR /s
COPY . .
FROM eclipse-temurin
COPY --from=b /s/target/*.jar /app.jar
ENTRYPOINT ["java", "-jar", "/app.jar"]
"""

CASES: list[tuple[str, str, dict[str, str], dict[str, Any], tuple[str, ...], str]] = [
    ("a script", PLAIN + 'CMD ["python", "app.py"]', VENV, {}, (".venv/bin/python", "app.py"), "api"),
    (
        "a version of the interpreter that the environment does not have",
        PLAIN + 'CMD ["python3.12", "-u", "app.py"]',
        VENV,
        {},
        (".venv/bin/python", "-u", "app.py"),
        "api",
    ),
    (
        "ENTRYPOINT and CMD",
        PLAIN + 'ENTRYPOINT ["python"]\nCMD ["app.py"]',
        VENV,
        {},
        (".venv/bin/python", "app.py"),
        "api",
    ),
    (
        "a command of the stack file",
        PLAIN + 'ENTRYPOINT ["python"]\nCMD ["app.py"]',
        VENV,
        {"command": ("b.py",)},
        (".venv/bin/python", "b.py"),
        "api",
    ),
    (
        "an entrypoint of the stack file",
        PLAIN + 'ENTRYPOINT ["node"]\nCMD ["app.py"]',
        VENV,
        {"entrypoint": ("python", "b.py")},
        (".venv/bin/python", "b.py"),
        "api",
    ),
    (
        "a port in the command",
        PLAIN + 'CMD ["gunicorn", "-b", "0.0.0.0:8301", "app:app"]',
        VENV,
        {},
        ("sh", "-c", 'exec .venv/bin/gunicorn -b 0.0.0.0:"$PORT" app:app'),
        "api",
    ),
    (
        "a port in a shell line",
        PLAIN + "CMD exec gunicorn --bind=:8301 app:app",
        VENV,
        {},
        ("sh", "-c", 'PATH="$PWD/.venv/bin":"$PATH"; export PATH; exec gunicorn --bind=:$PORT app:app'),
        "api",
    ),
    (
        "uvicorn without a port",
        PLAIN + 'CMD ["uvicorn", "app:app"]',
        VENV,
        {},
        ("sh", "-c", 'exec .venv/bin/uvicorn app:app --port "$PORT"'),
        "api",
    ),
    (
        "a process that reaps",
        PLAIN + 'ENTRYPOINT ["/sbin/tini", "--", "python", "app.py"]',
        VENV,
        {},
        (".venv/bin/python", "app.py"),
        "api",
    ),
    (
        "a runner of a package manager",
        PLAIN + 'CMD ["uv", "run", "--frozen", "flask", "run"]',
        VENV,
        {},
        (".venv/bin/flask", "run"),
        "api",
    ),
    (
        "an environment beside the stack file",
        PLAIN + 'CMD ["python", "app.py"]',
        {".venv/bin/python": ""},
        {},
        ("../.venv/bin/python", "app.py"),
        "api",
    ),
    ("no packages at all", PLAIN + 'CMD ["python", "app.py"]', {"api/app.py": ""}, {}, ("python", "app.py"), "api"),
    (
        "copied files only",
        "FROM python\nWORKDIR /app\nCOPY requirements.txt .\nCOPY src/app.py .\nCMD python app.py",
        {"api/.venv/bin/python": "", "api/src/app.py": "", "api/requirements.txt": ""},
        {},
        ("../.venv/bin/python", "app.py"),
        "api/src",
    ),
    (
        "a directory below",
        "FROM python\nCOPY . /app\nWORKDIR /app/server\nCMD python app.py",
        {**VENV, "api/server/app.py": ""},
        {},
        ("../.venv/bin/python", "app.py"),
        "api/server",
    ),
    (
        "directories of the same names",
        "FROM python\nWORKDIR /app\nCOPY ./pkg ./pkg\nCMD python -m pkg",
        {**VENV, "api/pkg/__main__.py": ""},
        {},
        (".venv/bin/python", "-m", "pkg"),
        "api",
    ),
    (
        "a path of the image",
        PLAIN + 'CMD ["python", "/app/app.py", "--config=/app/x.yml"]',
        {**VENV, "api/app.py": "", "api/x.yml": ""},
        {},
        (".venv/bin/python", "./app.py", "--config=./x.yml"),
        "api",
    ),
    (
        "working_dir of the stack file",
        PLAIN + 'CMD ["python", "app.py"]',
        {**VENV, "api/sub/app.py": ""},
        {"working_dir": "/app/sub"},
        ("../.venv/bin/python", "app.py"),
        "api/sub",
    ),
    (
        "a target",
        "FROM python AS dev\nWORKDIR /a\nCOPY . .\nCMD python dev.py\nFROM dev\nCMD python app.py",
        VENV,
        {},
        (".venv/bin/python", "app.py"),
        "api",
    ),
    (
        "Node.js without packages",
        'FROM node\nWORKDIR /app\nCOPY server.js .\nCMD ["node", "server.js"]',
        {"api/server.js": ""},
        {},
        ("node", "server.js"),
        "api",
    ),
    (
        "npm",
        "FROM node\nWORKDIR /app\nCOPY . .\nCMD npm start",
        {"api/package.json": '{"dependencies": {"a": "1"}}', "api/node_modules/a/x": ""},
        {},
        ("npm", "start"),
        "api",
    ),
    (
        "a program of node_modules",
        'FROM node\nWORKDIR /app\nCOPY . .\nCMD ["nodemon", "a.js"]',
        {"api/node_modules/.bin/nodemon": ""},
        {},
        ("node_modules/.bin/nodemon", "a.js"),
        "api",
    ),
    (
        "a Java source",
        'FROM eclipse-temurin\nWORKDIR /app\nCOPY Stock.java .\nCMD ["java", "Stock.java"]',
        {"api/Stock.java": ""},
        {},
        ("java", "./Stock.java"),
        "api",
    ),
    (
        "a Java class",
        'FROM eclipse-temurin\nWORKDIR /app\nCOPY . .\nRUN javac A.java\nCMD ["java", "-Xmx1g", "A"]',
        {"api/A.java": ""},
        {},
        ("java", "-Xmx1g", "./A.java"),
        "api",
    ),
    ("a jar of another stage", JAR, {"api/target/x-1.jar": ""}, {}, ("java", "-jar", "target/x-1.jar"), "api"),
    (
        "a script of the context",
        'FROM alpine\nCOPY start.sh /start.sh\nENTRYPOINT ["/start.sh"]',
        {"api/start.sh": "#!/bin/bash\n"},
        {},
        ("bash", "./start.sh"),
        "api",
    ),
    ("a program of this machine", 'FROM caddy\nCMD ["caddy", "run"]', {}, {}, ("caddy", "run"), "api"),
]


@pytest.mark.parametrize(
    ("dockerfile", "files", "fields", "command", "cwd"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_command_of_a_build_context(
    tmp_path: Path, dockerfile: str, files: dict[str, str], fields: dict[str, Any], command: tuple[str, ...], cwd: str
) -> None:
    found = derived(tmp_path, dockerfile, files, **fields)
    assert isinstance(found, Derived), found
    assert (found.process.command, found.process.cwd) == (command, cwd)


MISSING: list[tuple[str, str, dict[str, str], str, str]] = [
    (
        "packages of Python",
        PLAIN + "CMD python app.py",
        {"api/requirements.txt": "flask>=2\n"},
        "no virtual environment in api with the packages of requirements.txt",
        "python3 -m venv api/.venv && api/.venv/bin/pip install -r api/requirements.txt",
    ),
    (
        "a program of Python",
        PLAIN + "CMD celery -A app worker",
        VENV,
        "celery is not in api/.venv",
        "api/.venv/bin/pip install celery",
    ),
    (
        "packages of Node.js",
        PLAIN + "CMD node a.js",
        {"api/package.json": '{"dependencies": {"a": "1"}}', "api/package-lock.json": "{}"},
        "the packages of api/package.json are not installed",
        "npm --prefix api ci",
    ),
    ("another program", PLAIN + "CMD cargo run", {}, "the program cargo is not installed on this machine", "x-devenv"),
    ("a program in a shell line", PLAIN + "CMD node -v && exec cargo run", {}, "the program cargo is not", "x-devenv"),
    (
        "a program that is built",
        PLAIN + 'CMD ["/app/server"]',
        {},
        "the program /app/server is made while the image is built",
        "x-devenv",
    ),
    (
        "a jar that is built",
        PLAIN + 'CMD ["java", "-jar", "/app.jar"]',
        {"api/pom.xml": ""},
        "/app.jar is made while the image is built",
        "mvn -f api package",
    ),
    ("no command", PLAIN, {}, "neither the stack file nor the Dockerfile has a command", "x-devenv"),
]


@pytest.mark.parametrize(
    ("dockerfile", "files", "reason", "remedy"), [case[1:] for case in MISSING], ids=[case[0] for case in MISSING]
)
def test_what_is_missing_is_said_with_its_remedy(
    tmp_path: Path, dockerfile: str, files: dict[str, str], reason: str, remedy: str
) -> None:
    found = derived(tmp_path, dockerfile, files)
    assert isinstance(found, Missing), found
    assert found.reason.startswith(reason)
    assert found.remedy.startswith(remedy)


def test_packages_of_devenvs_own_interpreter_will_do(tmp_path: Path) -> None:
    write(
        tmp_path, {"api/Dockerfile": PLAIN + "CMD python app.py", "api/requirements.txt": "# all\nflask>=2\n-r other\n"}
    )
    service = make_service("api", build=Build(context=tmp_path / "api"))
    machine = Machine(which={"python": "/p"}.get, has_package={"flask"}.__contains__)
    found = derive_service(service, stack_of(tmp_path, service), machine)
    assert isinstance(found, Derived)
    assert found.process.command == ("python", "app.py")


def test_the_environment_is_that_of_the_dockerfile_below_that_of_the_stack_file(tmp_path: Path) -> None:
    dockerfile = PLAIN + "ENV A=1 B=2 PATH=/opt/bin:$PATH PYTHONPATH=/app/lib:/other HOME=/root\nCMD python app.py"
    found = derived(tmp_path, dockerfile, {**VENV, "api/lib/x.py": ""}, environment={"A": "own"})
    assert isinstance(found, Derived)
    assert found.process.env == {"B": "2", "PYTHONPATH": f"{tmp_path}/api/lib:/other"}


@pytest.mark.parametrize(
    ("more", "files", "fields", "variable", "fixed"),
    [
        ("CMD python app.py", {"api/app.py": "os.environ['PORT']"}, {}, "PORT", False),
        ("CMD python app.py", {"api/app.py": "run(port=8301)"}, {}, "PORT", True),
        ("ENV APP_PORT=8301\nCMD python app.py", {}, {}, "APP_PORT", False),
        ("CMD python app.py", {}, {"environment": {"HTTP_PORT": "8301", "DB_PORT": "5432"}}, "HTTP_PORT", False),
        (
            "CMD python app.py",
            {},
            {"environment": {"API_HOST": "api", "API_PORT": "8301", "WEB_HOST": "0.0.0.0", "WEB_PORT": "8301"}},
            "WEB_PORT",
            False,
        ),
        ("CMD flask run", {}, {}, "FLASK_RUN_PORT", False),
        ("CMD gunicorn app:app", {}, {}, "PORT", False),
    ],
)
def test_the_variable_of_the_port(
    tmp_path: Path, more: str, files: dict[str, str], fields: dict[str, Any], variable: str, fixed: bool
) -> None:
    found = derived(tmp_path, PLAIN + more, {**VENV, **files}, **fields)
    assert isinstance(found, Derived)
    assert (found.process.port_env, found.fixed_port, found.process.same_port) == (variable, fixed, True)
    assert found.ports == (8301,)


def whole(root: Path, *services: Any) -> Derivation:
    write(root, {"api/Dockerfile": PLAIN + 'CMD ["python", "app.py"]', **VENV})
    return derive_stack(stack_of(root, *services), MACHINE)


def test_what_listens_is_ready_once_it_does(tmp_path: Path) -> None:
    build = Build(context=tmp_path / "api")
    found = whole(
        tmp_path,
        make_service("api", build=build),
        make_service("worker", build=build, command=("python", "worker.py")),
        make_service("checked", build=build, healthcheck=Healthcheck(test=("CMD", "true"))),
    )
    ready = {name: service.x.ready for name, service in found.stack.services.items()}
    assert ready["api"] is not None
    assert ready["api"].tcp is True
    assert (ready["worker"], ready["checked"]) == (None, None)
    assert found.stack.services["api"].container_ports == (8301,)


def test_a_server_may_take_its_time_to_make_its_data(tmp_path: Path) -> None:
    check = Healthcheck(test=("CMD", "pg_isready"), interval=1, start_period=5)
    db = make_service("db", image="postgres", healthcheck=check)
    machine = Machine(which=lambda _name: None, has_package=lambda _name: False, folders=lambda _name: ("/pg/bin",))
    services = derive_stack(stack_of(tmp_path, db), machine).stack.services
    assert services["db"].healthcheck == Healthcheck(test=("CMD", "pg_isready"), interval=1, start_period=60)
    kept = whole(tmp_path, make_service("api", build=Build(context=tmp_path / "api"), healthcheck=check))
    assert kept.stack.services["api"].healthcheck == check


def test_what_a_file_says_itself_stays(tmp_path: Path) -> None:
    own = make_service("own", x={"process": {"command": "python x.py"}})
    backend = make_service("jaeger", image="jaegertracing/jaeger:2.13.0")
    found = whole(tmp_path, own, backend)
    assert found.stack.services == {"own": own, "jaeger": backend}
    assert (found.derived, found.missing) == ({}, {})


def test_one_error_for_every_service_that_is_asked_for(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"web/Dockerfile": "FROM node\nCMD node a.js", "web/package.json": json.dumps({"dependencies": {"a": "1"}})},
    )
    found = whole(
        tmp_path,
        make_service("api", build=Build(context=tmp_path / "api")),
        make_service("web", build=Build(context=tmp_path / "web")),
        make_service("search", image="elastic:8"),
    )
    found.require(["api"])
    with pytest.raises(ConfigurationError, match=r"2 services have no x-devenv\.process") as caught:
        found.require(["api", "web", "search"])
    assert "web: the packages of web/package.json are not installed" in caught.value.message
    assert "search: the image elastic:8 does not run as a process" in caught.value.message
    assert "\n  web: npm --prefix web install" in caught.value.hint
    with pytest.raises(ConfigurationError, match=r"service web has no x-devenv\.process"):
        found.require(["web"])


def test_an_image_with_the_program_in_a_bind_mount(tmp_path: Path) -> None:
    write(tmp_path, {"server.js": "process.env.PORT"})
    mount = Mount(kind="bind", source=str(tmp_path), target="/srv")
    service = make_service("web", image="node:22", command=("node", "server.js"), working_dir="/srv", mounts=(mount,))
    found = whole(tmp_path, service).derived["web"]
    assert (found.process.command, found.process.cwd) == (("node", "server.js"), ".")


def test_ports_that_cannot_be_are_said(tmp_path: Path) -> None:
    build = Build(context=tmp_path / "api")
    found = whole(
        tmp_path,
        make_service("a", build=build),
        make_service("b", build=build),
        make_service("c", build=build, ports=(Port(container=8301, host=80),)),
    )
    first, second = found.warnings
    assert first == "b and a both listen on 8301: one of them has to read PORT to run as a process"
    assert second.startswith(
        "c: nothing says that it reads PORT, and a process that listens on 8301 is not reached at 80"
    )
