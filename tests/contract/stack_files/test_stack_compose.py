"""devenv reads a file as ``docker compose config`` does: both resolve the same fixtures, and the results are compared.

Where the compose plugin is missing the tests are skipped; where Docker is required (``DEVENV_TEST_REQUIRE``) they fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from compose.resolved import compose_config, normal

from devenv.errors import StackFileError
from devenv.stack import load_stack
from devenv.stack.dump import dump, yaml_text

ROOT = Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures" / "compose"
ENVIRON = {"HOME": "/home/somebody"}
INTERPOLATED = {"SET": "value", "EMPTY": "", "TRUTH": "true", "PORT": "8080", "COUNT": "3"}
CASES: dict[str, tuple[list[str], dict[str, str]]] = {
    "everything": (["everything/compose.yaml"], {}),
    "dotenv": (["dotenv/compose.yaml"], {"OVERRIDDEN": "shell", "INHERIT": "inherited"}),
    "interpolated": (["interpolated/compose.yaml"], INTERPOLATED),
    "merged": (["merged/compose.yaml", "merged/override.yaml"], {}),
    "merged-once": (["merged/compose.yaml", "merged/compose.yaml"], {}),
    "directives": (["directives/compose.yaml", "directives/override.yaml"], {}),
    "directives-undone": (["directives/compose.yaml", "directives/override.yaml", "directives/third.yaml"], {}),
    "addresses": (["addresses/compose.yaml"], {}),
    "addresses-merged": (["addresses/compose.yaml", "addresses/override.yaml"], {}),
    "options": (["options/compose.yaml"], {}),
    "profiles": (["profiles/compose.yaml"], {}),
    "profiles-given": (["profiles/compose.yaml"], {"COMPOSE_PROFILES": "debug,none"}),
    "sample": (["../../../stacks/sample/compose.yaml"], {}),
}


@pytest.mark.parametrize("case", CASES)
def test_resolves_as_compose_does(compose: list[str], case: str) -> None:
    names, extra = CASES[case]
    files = [(FIXTURES / name).resolve() for name in names]
    environ = ENVIRON | extra
    stack = load_stack(files, environ=environ)
    theirs = compose_config(compose, files, environ)
    ours = json.loads(json.dumps(dump(stack)))
    assert normal(ours, theirs["name"]) == normal(theirs, theirs["name"])


@pytest.mark.parametrize("case", CASES)
def test_compose_reads_what_devenv_writes(compose: list[str], case: str, tmp_path: Path) -> None:
    """The canonical form is a Compose file, and means the same to Compose and to devenv."""
    names, extra = CASES[case]
    files = [(FIXTURES / name).resolve() for name in names]
    stack = load_stack(files, environ=ENVIRON | extra)
    written = tmp_path / "compose.yaml"
    written.write_text(yaml_text(dump(stack)))
    again = load_stack([written], environ={}, profiles=["*"])
    assert dump(again) == dump(stack)
    theirs = compose_config(compose, [written], {"COMPOSE_PROFILES": "*"})
    assert normal(theirs, theirs["name"]) == normal(json.loads(json.dumps(dump(stack))), theirs["name"])


def files_of(place: Path, files: Mapping[str, str]) -> Path:
    """Write ``files``, texts by path, below ``place``."""
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return place


ONE = "services: {web: {image: 'one:${TAG:-none}', environment: {N: '$COMPOSE_PROJECT_NAME', A: '${A:-}'}}}"
TWO = "services: {two: {image: two, profiles: [debug]}}"
CHOICES: dict[str, tuple[dict[str, str], str, dict[str, str]]] = {
    "above": ({"compose.yaml": ONE, ".env": "TAG=top\nA=$TAG\n", "src/api/x": ""}, "src/api", {}),
    "nearest": (
        {"compose.yaml": ONE, "src/compose.yml": TWO, "src/api/x": ""},
        "src/api",
        {"COMPOSE_PROFILES": "debug"},
    ),
    "override-above": ({"compose.yaml": ONE, "compose.override.yaml": TWO, "src/x": ""}, "src", {}),
    "both-dotenv": ({"compose.yaml": ONE, ".env": "TAG=top\nA=top-$TAG\n", "src/.env": "TAG=below\n"}, "src", {}),
    "file": ({"a.yaml": ONE, "b/b.yaml": TWO, "compose.yaml": TWO}, ".", {"COMPOSE_FILE": "a.yaml:b/b.yaml"}),
    "file-of-dotenv": ({"a.yaml": ONE, "b.yaml": TWO, ".env": "COMPOSE_FILE=a.yaml:b.yaml\nTAG=1\n"}, ".", {}),
    "file-elsewhere": (
        {"deploy/a.yaml": ONE, "deploy/.env": "TAG=deploy\nA=deploy\n", ".env": "TAG=here\n"},
        ".",
        {"COMPOSE_FILE": "deploy/a.yaml"},
    ),
    "file-from-below": ({"a.yaml": ONE, "compose.yaml": TWO, "src/x": ""}, "src", {"COMPOSE_FILE": "../a.yaml"}),
    "file-of-dotenv-above": (
        {"a.yaml": TWO, "compose.yaml": ONE, ".env": "COMPOSE_FILE=a.yaml\n", "src/x": ""},
        "src",
        {},
    ),
    "separator": (
        {"a.yaml": ONE, "b.yaml": TWO},
        ".",
        {"COMPOSE_FILE": "a.yaml;b.yaml", "COMPOSE_PATH_SEPARATOR": ";"},
    ),
    "separator-of-dotenv": (
        {"a.yaml": ONE, "b.yaml": TWO, ".env": "COMPOSE_FILE=a.yaml|b.yaml\nCOMPOSE_PATH_SEPARATOR=|\n"},
        ".",
        {},
    ),
    "name": ({"compose.yaml": "name: written\n" + ONE}, ".", {"COMPOSE_PROJECT_NAME": "shell"}),
    "name-of-dotenv": ({"compose.yaml": "name: written\n" + ONE, ".env": "COMPOSE_PROJECT_NAME=dotenv\n"}, ".", {}),
    "name-empty": ({"compose.yaml": "name: written\n" + ONE}, ".", {"COMPOSE_PROJECT_NAME": ""}),
    "env-files": (
        {"compose.yaml": ONE, ".env": "TAG=no\nA=no\n", "1.env": "TAG=1\n", "2.env": "A=$TAG\nTAG=2\n"},
        ".",
        {"COMPOSE_ENV_FILES": "1.env,2.env"},
    ),
    "env-files-name-the-file": (
        {"compose.yaml": TWO, "a.yaml": ONE, "1.env": "COMPOSE_FILE=a.yaml\nTAG=1\n"},
        ".",
        {"COMPOSE_ENV_FILES": "1.env"},
    ),
    "no-dotenv": ({"compose.yaml": ONE, ".env": "TAG=no\n"}, ".", {"COMPOSE_DISABLE_ENV_FILE": "1"}),
    "profiles-of-dotenv": (
        {"compose.yaml": ONE, "compose.override.yml": TWO, ".env": "COMPOSE_PROFILES=debug\n"},
        ".",
        {},
    ),
}


@pytest.mark.parametrize("case", CHOICES)
def test_chooses_files_name_and_variables_as_compose_does(compose: list[str], case: str, tmp_path: Path) -> None:
    files, start, extra = CHOICES[case]
    place = files_of(tmp_path / "project", files) / start
    environ = {"PATH": os.environ["PATH"], **ENVIRON, **extra}
    options = {"cwd": place.resolve(), "env": environ, "capture_output": True, "text": True, "timeout": 60}
    theirs = subprocess.run([*compose, "config", "--format", "json"], **options)
    ours = subprocess.run([sys.executable, "-m", "devenv", "config", "--json"], **options)
    assert (theirs.returncode, ours.returncode) == (0, 0), theirs.stderr + ours.stderr
    expected, document = json.loads(theirs.stdout), json.loads(ours.stdout)
    assert document["config"]["services"].keys() == expected["services"].keys()
    for name, service in expected["services"].items():
        found = document["config"]["services"][name]
        assert (found["image"], found.get("environment")) == (service["image"], service.get("environment"))
    assert document["project"].rpartition("-")[0] == expected["name"]


@pytest.mark.parametrize(
    ("options", "variables"),
    [
        (["-f", "-"], {}),
        (["-f", "-", "-f", "sub/b.yaml"], {}),
        (["-f", "sub/b.yaml", "-f", "-"], {}),
        ([], {"COMPOSE_FILE": "-"}),
        ([], {"COMPOSE_FILE": "-:sub/b.yaml"}),
        ([], {"COMPOSE_FILE": "sub/b.yaml:-"}),
    ],
)
def test_the_standard_input_has_the_directory_of_the_first_file_as_in_compose(
    compose: list[str], options: list[str], variables: dict[str, str], tmp_path: Path
) -> None:
    place = files_of(tmp_path / "project", {"sub/b.yaml": "services: {two: {image: two, build: ./here}}"})
    given: dict[str, Any] = {
        "cwd": place.resolve(),
        "env": {"PATH": os.environ["PATH"], **ENVIRON, **variables},
        "input": "services: {web: {image: one, build: ./ctx}}",
    }
    run: Any = partial(subprocess.run, capture_output=True, text=True, timeout=60, **given)
    theirs = run([*compose, *options, "config", "--format", "json"])
    ours = run([sys.executable, "-m", "devenv", *options, "config", "--json"])
    assert (theirs.returncode, ours.returncode) == (0, 0), theirs.stderr + ours.stderr
    contexts = [
        {name: service["build"]["context"] for name, service in document["services"].items()}
        for document in (json.loads(theirs.stdout), json.loads(ours.stdout)["config"])
    ]
    assert contexts[0] == contexts[1]


SUB = """\
name: other
include: [deep/compose.yaml]
services:
  db:
    image: "db:${TAG:-none}-$COMPOSE_PROJECT_NAME"
    environment: [TAG, ONLY, UNSET]
    env_file: a.env
    build: {context: ctx}
    volumes: ["./data:/data", "vol:/v"]
    secrets: [s]
volumes: {vol: {labels: [a=b]}}
secrets: {s: {file: ./s}}
"""
FAR = """\
services:
  app:
    extends: {file: deep/root.yaml, service: root}
    image: "app:${TAG:-none}"
    command: base
    env_file: b.env
    ports: ["81:81"]
    build: {context: ., additional_contexts: {lib: ../lib}}
    volumes: ["./x:/x"]
    healthcheck: {test: [CMD, a]}
"""
ROOT_SERVICE = """\
services:
  root: {extends: more, labels: {l: root}, volumes: ["./r:/r"], container_name: cc, healthcheck: {test: [CMD, b]}}
  more: {environment: {A: more, B: more}, volumes: ["./r:/r", "./m:/m"]}
"""
TREES: dict[str, tuple[dict[str, str], list[str], dict[str, str]]] = {
    "include": (
        {
            "compose.yaml": "include: [sub/compose.yaml]\nservices: {web: {image: 'w${TAG:-}', depends_on: [db]}}",
            "sub/compose.yaml": SUB,
            "sub/.env": "TAG=sub\nONLY=only\n",
            "sub/a.env": "X=${ONLY:-none}\n",
            "sub/deep/compose.yaml": "services: {deep: {image: 'd:${TAG:-none}-${ONLY:-none}', volumes: ['./d:/d']}}",
        },
        ["compose.yaml"],
        {"COMPOSE_PROJECT_NAME": "outer"},
    ),
    "include-long": (
        {
            "compose.yaml": "include: [{path: [p/a.yaml, p/b.yaml], project_directory: q, env_file: [1.env, 2.env]}]",
            "p/a.yaml": "services: {a: {image: 'a:$A-$B-$C', command: one, volumes: ['./t:/t'], ports: ['80:80']}}",
            "p/b.yaml": "services: {a: {command: two, volumes: ['./u:/u'], ports: !reset []}}",
            "1.env": "A=1\nB=1\n",
            "2.env": "B=${A}2\nC=$SET\n",
            "q/.env": "A=no\n",
        },
        ["compose.yaml"],
        {"SET": "shell"},
    ),
    "include-overridden": (
        {
            "compose.yaml": "include: [a.yaml, b.yaml]\nservices: {web: {image: web}}",
            "a.yaml": "include: [db.yaml]\nservices: {a: {image: a, depends_on: [db]}}",
            "b.yaml": "include: [db.yaml]\nservices: {b: {image: b, depends_on: [db]}}\nnetworks: {default: {}}",
            "db.yaml": "services: {db: {image: db, environment: {A: 1}}}",
            "over.yaml": "services: {db: {image: other, environment: [B=2]}, web: {command: run}}",
        },
        ["compose.yaml", "over.yaml"],
        {},
    ),
    "extends": (
        {
            "compose.yaml": "services: {web: {extends: {file: far/c.yaml, service: app}, environment: [B=own, C=own], "
            "command: own, ports: ['80:80']}, same: {extends: web, image: b, container_name: dd, ports: !reset []}}",
            "far/c.yaml": FAR,
            "far/.env": "TAG=no\n",
            "far/b.env": "Q=1\n",
            "far/deep/root.yaml": ROOT_SERVICE,
        },
        ["compose.yaml"],
        {},
    ),
    "extends-in-include": (
        {
            "compose.yaml": "include: [sub/c.yaml]\nservices: {a: {image: a}}",
            "sub/c.yaml": "services: {b: {extends: {file: d/x.yaml, service: r}, environment: [V]}}",
            "sub/d/x.yaml": "services: {r: {image: 'r-${V:-none}', volumes: ['./z:/z'], links: [a]}}",
            "sub/.env": "V=sub\n",
        },
        ["compose.yaml"],
        {},
    ),
}


@pytest.mark.parametrize("case", TREES)
def test_includes_and_extends_as_compose_does(compose: list[str], case: str, tmp_path: Path) -> None:
    tree, names, extra = TREES[case]
    place = files_of(tmp_path / "project", tree)
    files, environ = [place / name for name in names], ENVIRON | extra
    theirs = compose_config(compose, files, environ)
    ours = json.loads(json.dumps(dump(load_stack(files, environ=environ))))
    ours["name"] = theirs["name"]  # a file without a name has that of its folder, or of COMPOSE_PROJECT_NAME
    assert normal(ours, theirs["name"]) == normal(theirs, theirs["name"])


REFUSED: dict[str, dict[str, str]] = {
    "conflict": {"compose.yaml": "include: [b.yaml]\nservices: {a: {image: x}}", "b.yaml": "services: {a: {image: y}}"},
    "include-circle": {"compose.yaml": "include: [compose.yaml]\nservices: {a: {image: x}}"},
    "include-missing": {"compose.yaml": "include: [no.yaml]\nservices: {a: {image: x}}"},
    "include-env-missing": {"compose.yaml": "include: [{path: b.yaml, env_file: no}]", "b.yaml": ONE},
    "extends-circle": {"compose.yaml": "services: {a: {extends: b, image: x}, b: {extends: a}}"},
    "extends-missing": {"compose.yaml": "services: {a: {extends: b, image: x}}"},
    "extends-included": {
        "compose.yaml": "include: [b.yaml]\nservices: {a: {extends: b}}",
        "b.yaml": "services: {b: {image: x}}",
    },
    "context-unknown": {"compose.yaml": "services: {a: {build: {context: ., additional_contexts: {b: 'service:b'}}}}"},
    "context-not-built": {
        "compose.yaml": "services: {a: {build: {context: ., additional_contexts: {b: 'service:b'}}}, b: {image: x}}"
    },
    "extends-file-missing": {"compose.yaml": "services: {a: {extends: {file: no.yaml, service: b}}}"},
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses_circles_conflicts_and_missing_parts_as_compose_does(
    compose: list[str], case: str, tmp_path: Path
) -> None:
    place = files_of(tmp_path / "project", REFUSED[case])
    arguments = ["-f", str(place / "compose.yaml"), "config"]
    assert subprocess.run([*compose, *arguments], capture_output=True, timeout=60).returncode != 0
    with pytest.raises(StackFileError) as caught:
        load_stack([place / "compose.yaml"], environ={})
    assert caught.value.location is not None
    assert caught.value.location.line > 0


@pytest.mark.parametrize(
    ("files", "environ"),
    [
        ({"compose.yaml": ONE}, {"COMPOSE_PROJECT_NAME": "My Shop"}),
        ({"compose.yaml": ONE}, {"COMPOSE_FILE": "missing.yaml"}),
        ({"compose.yaml": ONE}, {"COMPOSE_ENV_FILES": "missing.env"}),
        ({"compose.yaml": ONE}, {"COMPOSE_DISABLE_ENV_FILE": "perhaps"}),
    ],
)
def test_refuses_what_compose_refuses(
    compose: list[str], files: dict[str, str], environ: dict[str, str], tmp_path: Path
) -> None:
    place = files_of(tmp_path / "project", files)
    options = {"cwd": place, "env": {"PATH": os.environ["PATH"], **ENVIRON, **environ}, "capture_output": True}
    assert subprocess.run([*compose, "config"], **options, timeout=60).returncode != 0
    ours = subprocess.run([sys.executable, "-m", "devenv", "config"], **options, timeout=60)
    assert ours.returncode == 2
    assert next(iter(environ)).encode() in ours.stderr
