"""``include``: other files' resources, with their own directory and variables; conflicts, circles and limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from stack_files.trees import failure, load, write

from devenv.stack import load_stack, load_with_origins
from devenv.stack.documents.sources import MAXIMUM_DEPTH, MAXIMUM_FILES

SUB = """\
name: ignored
services:
  db:
    image: "db:${TAG:-none}-${COMPOSE_PROJECT_NAME}"
    build: .
    env_file: db.env
    environment: [HERE, UNSET]
    volumes: ["./data:/data", "store:/store"]
    secrets: [token]
volumes: {store: {}}
networks: {default: {internal: true}}
secrets: {token: {file: token.txt}}
configs: {one: {file: one.cfg}}
"""
BESIDE = {"sub/compose.yaml": SUB, "sub/.env": "TAG=7\nHERE=sub\n", "sub/db.env": "Q=1\n"}


def test_an_included_file_keeps_its_directory_and_its_variables(tmp_path: Path) -> None:
    files = {"compose.yaml": "include: [sub/compose.yaml]\nservices: {web: {image: web}}\n", **BESIDE}
    stack = load(tmp_path, files, COMPOSE_PROJECT_NAME="outer")
    db, sub = stack.services["db"], tmp_path / "sub"
    assert list(stack.services) == ["web", "db"]
    assert (stack.name, db.image) == ("outer", "db:7-outer")
    assert db.build is not None
    assert db.build.context == sub
    assert dict(db.environment) == {"Q": "1", "HERE": "sub"}
    assert [mount.source for mount in db.mounts] == [str(sub / "data"), "store"]
    assert stack.secrets["token"].file == sub / "token.txt"
    assert stack.configs["one"].file == sub / "one.cfg"
    assert stack.networks["default"].internal
    assert list(stack.volumes) == ["store"]
    assert stack.files == (tmp_path / "compose.yaml",)


def test_a_file_that_only_includes_is_a_stack(tmp_path: Path) -> None:
    assert list(load(tmp_path, {"compose.yaml": "include: [sub/compose.yaml]\n", **BESIDE}).services) == ["db"]


def test_variables_of_the_including_project_take_precedence(tmp_path: Path) -> None:
    files = {"compose.yaml": "include: [sub/compose.yaml]\n", ".env": "TAG=outer\n", **BESIDE}
    assert (load(tmp_path, files).services["db"].image or "").startswith("db:outer-")
    assert (load(tmp_path, files, TAG="shell").services["db"].image or "").startswith("db:shell-")


def test_the_long_form_merges_its_files_in_a_directory_of_its_own(tmp_path: Path) -> None:
    text = """\
include:
  - path: [parts/one.yaml, parts/over.yaml]
    project_directory: elsewhere
    env_file: [first.env, second.env]
"""
    one = "services: {one: {image: 'one:$A-$B', command: a, volumes: ['./v:/v']}}\n"
    files = {
        "compose.yaml": text,
        "parts/one.yaml": one,
        "parts/over.yaml": "services: {one: {command: b}}\n",
        "first.env": "A=1\nB=1\n",
        "second.env": "B=${A}2\n",
        "elsewhere/.env": "A=no\n",
    }
    service = load(tmp_path, files).services["one"]
    assert (service.image, service.command) == ("one:1-12", ("b",))
    assert service.mounts[0].source == str(tmp_path / "elsewhere" / "v")


def test_includes_nest_and_paths_start_at_each_project_directory(tmp_path: Path) -> None:
    files = {
        "compose.yaml": "include: [a/compose.yaml]\n",
        "a/compose.yaml": "include: [{path: b/x.yaml, project_directory: c}]\nservices: {a: {image: '$V'}}\n",
        "a/.env": "V=of-a\n",
        "a/c/.env": "V=of-c\nW=of-c\n",
        "a/b/x.yaml": "include: [y.yaml]\nservices: {x: {image: '$V-$W', volumes: ['./d:/d']}}\n",
        "a/c/y.yaml": "services: {y: {image: '$W'}}\n",
    }
    services = load(tmp_path, files).services
    assert {name: service.image for name, service in services.items()} == {"a": "of-a", "x": "of-a-of-c", "y": "of-c"}
    assert services["x"].mounts[0].source == str(tmp_path / "a" / "c" / "d")


def test_places_and_origins_are_those_of_the_included_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, {"compose.yaml": "include: [sub/compose.yaml]\n", **BESIDE})
    stack, origins = load_with_origins([tmp_path / "compose.yaml"], environ={})
    assert str(stack.services["db"].location) == "sub/compose.yaml:3:3"
    assert origins.of("services.db.image").startswith("sub/compose.yaml:4:12 ($TAG from sub/.env:1:1")
    assert origins.of("services.db.environment.HERE") == "sub/compose.yaml:7:19 ($HERE from sub/.env:2:1)"
    assert origins.of("services.db.volumes[0].source") == "sub/compose.yaml:8:15"
    wrong = failure(tmp_path, {"sub/compose.yaml": "services:\n  db:\n    image: x\n    imagee: y\n"})
    assert wrong.message == "sub/compose.yaml:4:5: unknown key 'imagee' in services.db"


def test_an_override_file_changes_an_included_service(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "compose.yaml": "include: [sub/compose.yaml]\n",
            "over.yaml": "services: {db: {image: other, volumes: ['./data:/more']}}\n",
            **BESIDE,
        },
    )
    db = load_stack([tmp_path / "compose.yaml", tmp_path / "over.yaml"], environ={}).services["db"]
    assert db.image == "other"
    assert [mount.source for mount in db.mounts] == [str(tmp_path / "sub/data"), "store", str(tmp_path / "data")]


def test_the_same_file_may_be_included_twice(tmp_path: Path) -> None:
    files = {
        "compose.yaml": "include: [a.yaml, b.yaml]\n",
        "a.yaml": "include: [db.yaml]\nservices: {a: {image: a, depends_on: [db]}}\n",
        "b.yaml": "include: [db.yaml]\nservices: {b: {image: b, depends_on: [db]}}\n",
        "db.yaml": "services: {db: {image: db}}\n",
    }
    assert list(load(tmp_path, files).services) == ["a", "db", "b"]


def test_two_definitions_of_one_name_conflict_unless_they_are_equal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {
        "compose.yaml": "include:\n  - sub.yaml\nservices:\n  db: {image: mine}\n",
        "sub.yaml": "services:\n  db: {image: theirs}\n",
    }
    error = failure(tmp_path, files)
    expected = "compose.yaml:4:3: services.db is also defined in sub.yaml:2:3, which compose.yaml:2:5 includes"
    assert (error.message, error.others) == (expected, ())
    assert load(tmp_path, {"sub.yaml": "services:\n  db: {image: mine}\n"}).services["db"].image == "mine"


def test_what_has_no_effect_in_an_included_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sub = "x-devenv: {entrypoint: db}\nservices: {db: {image: x}}\n"
    stack = load(tmp_path, {"compose.yaml": "include: [sub.yaml]\n", "sub.yaml": sub})
    assert stack.x.entrypoint is None
    assert [str(warning.location) for warning in stack.warnings] == ["sub.yaml:1:1"]
    assert "move it to the main file" in stack.warnings[0].message
    assert "sub.yaml:1:1: unknown key 'servces'" in failure(tmp_path, {"sub.yaml": "servces: {}\n"}).message


def test_a_process_of_an_included_file_runs_in_its_directory(tmp_path: Path) -> None:
    sub = "services: {a: {x-devenv: {process: {command: run}}}, b: {x-devenv: {process: {command: run, cwd: w}}}}\n"
    services = load(tmp_path, {"compose.yaml": "include: [sub/c.yaml]\n", "sub/c.yaml": sub}).services
    found = [service.x.process.cwd for service in services.values() if service.x.process]
    assert found == [str(tmp_path / "sub"), str(tmp_path / "sub" / "w")]


WRONG: dict[str, tuple[str, str]] = {
    "include: [missing.yaml]\n": ("compose.yaml:1:11", "missing.yaml: no such file"),
    "include:\n  - path: sub.yaml\n    env_file: missing.env\n": ("compose.yaml:3:15", "missing.env: no such file"),
    "include: [compose.yaml]\n": ("compose.yaml:1:11", "circular include: compose.yaml → compose.yaml"),
    "include: ['https://github.com/a/b.git']\n": ("compose.yaml:1:11", "include[0]: a remote file is not supported"),
    "include: ['oci://a/b']\n": ("compose.yaml:1:11", "include[0]: a remote file is not supported"),
    "include: [{pth: sub.yaml}]\n": ("compose.yaml:1:11", "include[0] requires path"),
    "include: sub.yaml\n": ("compose.yaml:1:10", "include must be a list, found 'sub.yaml'"),
    "include: [[sub.yaml]]\n": ("compose.yaml:1:11", "include[0] must be a mapping, found a list"),
    "include: ['${NO:?needed}']\n": ("compose.yaml:1:12", "required variable NO is not set: needed"),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_with_include_is_named_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    place, message = WRONG[text]
    error = failure(tmp_path, {"compose.yaml": text, "sub.yaml": "services: {a: {image: x}}\n"})
    assert error.message.startswith(f"{place}: {message}"), error.message


def test_a_circle_over_several_files_names_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"compose.yaml": "include: [a.yaml]\n", "a.yaml": "include: [b.yaml]\n", "b.yaml": "include: [a.yaml]\n"}
    assert failure(tmp_path, files).message == "b.yaml:1:11: circular include: a.yaml → b.yaml → a.yaml"


def test_a_chain_and_a_doubling_of_includes_end_with_a_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    one = "services: {a: {image: x}}\n"
    chain = {f"{n}.yaml": f"include: [{n + 1}.yaml]\n" for n in range(100)} | {"100.yaml": one}
    error = failure(tmp_path, {"compose.yaml": "include: [0.yaml]\n", **chain})
    assert error.message == f"{MAXIMUM_DEPTH - 1}.yaml:1:11: more than {MAXIMUM_DEPTH} files include each other"
    doubling = {f"{n}.yaml": f"include: [{n + 1}.yaml, {n + 1}.yaml]\n" for n in range(30)} | {"30.yaml": one}
    assert f"more than {MAXIMUM_FILES} files are included or extended" in failure(tmp_path, doubling).message


def test_values_of_included_files_count_together(tmp_path: Path) -> None:
    big = "x-a: [" + "1, " * 40_000 + "1]\nservices: {a: {image: x}}\n"
    error = failure(tmp_path, {"compose.yaml": f"include: [{', '.join(['big.yaml'] * 8)}]\n", "big.yaml": big})
    assert "expand to more than 200000 values" in error.message


def test_the_keys_of_a_build_start_at_the_included_files_directory(tmp_path: Path) -> None:
    build = "build: {context: ., ssh: ['key=keys/id', default], secrets: [t]}"
    files = {
        "compose.yaml": "include: [sub/compose.yaml]\n",
        "sub/compose.yaml": f"services: {{web: {{{build}}}}}\nsecrets: {{t: {{file: token}}}}\n",
    }
    stack = load(tmp_path, files)
    built = stack.services["web"].build
    assert built is not None
    assert built.ssh == {"key": str(tmp_path / "sub" / "keys" / "id"), "default": ""}
    assert stack.secrets["t"].file == tmp_path / "sub" / "token"


def test_the_device_of_a_bound_volume_starts_at_the_included_files_directory(tmp_path: Path) -> None:
    volume = "{driver: local, driver_opts: {type: none, o: bind, device: data}}"
    files = {
        "compose.yaml": f"include: [sub/compose.yaml]\nvolumes: {{own: {volume}}}\n",
        "sub/compose.yaml": f"services: {{db: {{image: db, volumes: ['v:/v']}}}}\nvolumes: {{v: {volume}}}\n",
    }
    stack = load(tmp_path, files)
    assert stack.volumes["own"].driver_opts["device"] == str(tmp_path / "data")
    assert stack.volumes["v"].driver_opts["device"] == str(tmp_path / "sub" / "data")
