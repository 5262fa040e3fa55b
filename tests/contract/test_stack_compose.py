"""devenv reads a file as ``docker compose config`` does: both resolve the same fixtures, and the results are compared.

Where the compose plugin is missing the tests are skipped; where Docker is required (``DEVENV_TEST_REQUIRE``) they fail.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from devenv.errors import StackFileError
from devenv.stack import load_stack
from devenv.stack.dump import dump, yaml_text

ROOT = Path(__file__).parents[2]
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


@pytest.fixture(scope="session")
def compose() -> list[str]:
    """The command of the compose plugin, as a plugin of ``docker`` or by itself."""
    cache = Path(os.environ.get("DEVENV_CI_CACHE", "/var/cache/devenv-ci")) / "bin" / "docker-compose"
    folders = (Path.home() / ".docker", Path("/usr/libexec/docker"), Path("/usr/lib/docker"))
    found = [cache, *(folder / "cli-plugins" / "docker-compose" for folder in folders)]
    program = shutil.which("docker-compose") or next((str(path) for path in found if path.is_file()), None)
    if program is None:
        reason = "no compose plugin; `.ci/go-build compose` builds it"
        if "docker" in os.environ.get("DEVENV_TEST_REQUIRE", ""):
            pytest.fail(reason)
        pytest.skip(reason)
    return [program]


def compose_config(compose: list[str], files: list[Path], environ: Mapping[str, str]) -> dict[str, Any]:
    arguments = [part for file in files for part in ("-f", str(file))]
    result = subprocess.run(
        [*compose, *arguments, "config", "--format", "json"],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.replace("$$", "$"))


def normal(config: dict[str, Any], name: str) -> dict[str, Any]:
    """Either side's document without what says the same in another way, and without what Compose adds or leaves out."""
    services = {key: normal_service(value, set(config["services"])) for key, value in config["services"].items()}
    used = {
        "networks": {network for service in services.values() for network in service.get("networks", {})},
        "volumes": {v.get("source") for s in services.values() for v in s.get("volumes", []) if v["type"] == "volume"},
        "secrets": {
            mount["source"]
            for service in services.values()
            for mount in [*service.get("secrets", []), *service.get("build", {}).get("secrets", [])]
        },
        "configs": {mount["source"] for service in services.values() for mount in service.get("configs", [])},
    }
    document: dict[str, Any] = {"name": config.get("name"), "services": services}
    for section, keys in used.items():  # Compose leaves out what no service uses
        resources = {key: {**(config.get(section, {}).get(key) or {})} for key in keys}
        for key, resource in resources.items():
            if resource.get("name") == f"{name}_{key}":  # Compose's own prefix; devenv has its own
                del resource["name"]
            if resource.get("ipam") == {}:
                del resource["ipam"]
        document[section] = resources
    return document


def normal_service(service: dict[str, Any], present: set[str]) -> dict[str, Any]:
    result = {key: value for key, value in service.items() if not key.startswith("x-") and key != "profiles"}
    # An optional dependency on a service that does not run says nothing.
    result["depends_on"] = {k: v for k, v in service.get("depends_on", {}).items() if v["required"] or k in present}
    result["environment"] = {k: v for k, v in (service.get("environment") or {}).items() if v is not None}
    result["volumes"] = sorted(
        [{k: v for k, v in volume.items() if k != "volume" or v} for volume in normal_tmpfs(result)],
        key=lambda volume: volume["target"],
    )
    if isinstance(service.get("extra_hosts"), list):
        pairs = sorted(entry.split("=", 1) for entry in service["extra_hosts"])
        grouped = {host: sorted(address for name, address in pairs if name == host) for host, _ in pairs}
        result["extra_hosts"] = {host: one[0] if len(one) == 1 else one for host, one in grouped.items()}
    elif "extra_hosts" in service:
        hosts = service["extra_hosts"].items()
        result["extra_hosts"] = {host: sorted(one) if isinstance(one, list) else one for host, one in hosts}
    result["ulimits"] = normal_ulimits(service)
    if "ulimits" in service.get("build", {}):
        result["build"] = {**service["build"], "ulimits": normal_ulimits(service["build"])}
    for section, root in (("secrets", "/run/secrets"), ("configs", "/")):
        result[section] = [
            {**mount, "target": str(Path(root) / mount.get("target", mount["source"]))}
            for mount in service.get(section, [])
        ]
    result["healthcheck"] = normal_healthcheck(service.get("healthcheck"))
    deploy = dict(service.get("deploy") or {})
    for key, limit in (("cpus", "cpus"), ("mem_limit", "memory")):  # Compose keeps both keys of one limit
        if limit in ((deploy.get("resources") or {}).get("limits") or {}):
            result.pop(key, None)
    drop_quirks(result)
    policy = deploy.pop("restart_policy", None)
    deploy.pop("placement", None)
    if policy and "restart" not in service:
        result["restart"] = f"{policy['condition']}:{policy['max_attempts']}"
    if deploy.get("resources") == {}:
        del deploy["resources"]
    if deploy.get("replicas") == 1:
        del deploy["replicas"]
    result["deploy"] = deploy
    commands = ("command", "entrypoint")  # an empty one says "none", a missing one "the image's"
    return {k: v for k, v in result.items() if v not in (None, {}, []) or (k in commands and v == [])}


def normal_ulimits(holder: dict[str, Any]) -> dict[str, Any]:
    return {k: v if isinstance(v, dict) else {"soft": v, "hard": v} for k, v in holder.get("ulimits", {}).items()}


def drop_quirks(service: dict[str, Any]) -> None:
    """Take out what Compose writes otherwise than it reads it."""
    for rule in (service.get("develop") or {}).get("watch", []):
        if rule.get("exec") == {"command": None}:  # for every rule
            del rule["exec"]
    if "blkio_config" in service:  # Path and Rate in JSON, which it reads in lower case only
        service["blkio_config"] = json.loads(json.dumps(service["blkio_config"]).lower())
    if "memswap_limit" in service:  # -1 as a text, which it does not read
        service["memswap_limit"] = str(service["memswap_limit"])
    for volume in service["volumes"]:  # false, the same as no value to it, is left out
        if volume.get("bind", {}).get("create_host_path") is False:
            del volume["bind"]["create_host_path"]


def normal_tmpfs(service: dict[str, Any]) -> list[dict[str, Any]]:
    volumes = list(service.get("volumes", []))
    for entry in service.pop("tmpfs", []):
        target, _, options = entry.partition(":")
        size = {"tmpfs": {"size": str(int(options.removeprefix("size=").removesuffix("m")) << 20)}} if options else {}
        volumes.append({"type": "tmpfs", "target": target, **size})
    return volumes


def normal_healthcheck(healthcheck: dict[str, Any] | None) -> dict[str, Any] | None:
    if healthcheck is None or healthcheck.get("disable") or healthcheck.get("test") == ["NONE"]:
        return None if healthcheck is None else {"disable": True}
    defaults = {"interval": "30s", "timeout": "30s", "retries": 3, "start_period": "0s", "start_interval": "5s"}
    return {key: healthcheck.get(key, default) for key, default in {"test": [], **defaults}.items()}


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
