"""``extends``: a service merged over another of its file or of another file; paths, chains, circles and limits."""

from __future__ import annotations

from pathlib import Path

import pytest
from stack_files.trees import failure, load, write

from devenv.model.stack import Dependency
from devenv.stack import load_with_origins
from devenv.stack.documents.sources import MAXIMUM_DEPTH


def test_a_service_extends_another_of_its_file(tmp_path: Path) -> None:
    text = """\
services:
  base:
    image: base
    command: base
    environment: {A: base, B: base}
    ports: ["8080:80"]
    depends_on: [db]
    x-devenv: {process: {command: [a, b]}, ready: {tcp: 80}}
  web:
    extends: base
    image: web
    command: [own]
    environment: [B=own]
    ports: !reset []
    depends_on: {db: {condition: service_healthy}}
    x-devenv: {process: {command: [c]}}
  db: {image: db}
"""
    stack = load(tmp_path, {"compose.yaml": text})
    web = stack.services["web"]
    assert (web.image, web.command, web.ports) == ("web", ("own",), ())
    assert dict(web.environment) == {"A": "base", "B": "own"}
    assert web.depends_on == (Dependency(service="db", condition="service_healthy"),)
    assert web.x.process is not None
    assert web.x.process.command == ("c",)
    assert web.x.ready is not None
    assert stack.services["base"].image == "base"


FAR = {
    "compose.yaml": "services: {web: {extends: {file: far/c.yaml, service: app}, volumes: ['./own:/own']}}\n",
    "far/c.yaml": """\
services:
  app:
    extends: {file: deep/d.yaml, service: root}
    build: {context: ., additional_contexts: {lib: ../lib, other: 'docker-image://x'}}
    env_file: app.env
    volumes: ["./app:/app"]
  unrelated: {image: "${NEVER:?looked at}", ports: [wrong]}
""",
    "far/.env": "TAG=of-far\n",
    "far/app.env": "A=1\n",
    "far/deep/d.yaml": "services: {root: {extends: more, image: 'root:${TAG:-none}'}, more: {volumes: ['./r:/r']}}\n",
}


def test_paths_start_at_the_extended_file_and_variables_are_those_of_the_project(tmp_path: Path) -> None:
    web = load(tmp_path, FAR, TAG="shell").services["web"]
    far = tmp_path / "far"
    assert web.image == "root:shell"
    assert [mount.source for mount in web.mounts] == [str(far / "deep/r"), str(far / "app"), str(tmp_path / "own")]
    assert web.build is not None
    assert web.build.context == far
    assert web.build.additional_contexts == {"lib": str(tmp_path / "lib"), "other": "docker-image://x"}
    assert dict(web.environment) == {"A": "1"}
    assert load(tmp_path, FAR).services["web"].image == "root:none"


def test_origins_and_problems_of_an_extended_file_have_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, FAR)
    _, origins = load_with_origins([tmp_path / "compose.yaml"], environ={})
    assert origins.of("services.web.image") == "far/deep/d.yaml:1:41 ($TAG is not set)"
    assert origins.of("services.web.volumes[1].source") == "far/c.yaml:6:15"
    error = failure(tmp_path, {**FAR, "far/deep/d.yaml": "services: {root: {image: x, imagee: y}}\n"})
    assert error.message == "far/deep/d.yaml:1:29: unknown key 'imagee' in services.web"


def test_an_included_file_extends_in_its_own_directory(tmp_path: Path) -> None:
    files = {
        "compose.yaml": "include: [sub/c.yaml]\n",
        "sub/c.yaml": "services: {a: {extends: {file: b/x.yaml, service: s}, image: '$V'}}\n",
        "sub/.env": "V=sub\n",
        "sub/b/x.yaml": "services: {s: {image: x, labels: {v: $V}, volumes: ['./d:/d']}}\n",
    }
    service = load(tmp_path, files).services["a"]
    assert (service.image, dict(service.labels)) == ("sub", {"v": "sub"})
    assert service.mounts[0].source == str(tmp_path / "sub/b/d")


WRONG: dict[str, tuple[str, str]] = {
    "services: {a: {extends: b, image: x}}\n": ("1:25", "service 'b', which a extends, is not defined"),
    "services: {a: {extends: {file: sub.yaml, service: nope}}}\n": (
        "1:25",
        "service 'nope', which a extends, is not defined in sub.yaml",
    ),
    "services: {a: {extends: {file: no.yaml, service: b}}}\n": ("1:25", "no.yaml: no such file"),
    "services: {a: {extends: {file: sub.yaml}}}\n": ("1:25", "services.a.extends requires service"),
    "services: {a: {extends: {file: 'git@x:y', service: b}}}\n": (
        "1:32",
        "services.a.extends.file: a remote file is not supported",
    ),
    "services: {a: {extends: a, image: x}}\n": ("1:25", "circular extends: a (compose.yaml:1:16) → a"),
    "services: {a: {extends: b}, b: {extends: {service: a}}}\n": (
        "1:25",
        "circular extends: a (compose.yaml:1:16) → b (compose.yaml:1:33) → a",
    ),
    "services: {a: {extends: {file: sub.yaml, service: back}}}\n": (
        "1:25",
        "circular extends: a (compose.yaml:1:16) → back (sub.yaml:1:34) → a",
    ),
    "services: {a: {extends: [b]}}\n": ("1:25", "services.a.extends must be a mapping, found a list"),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_with_extends_is_named_with_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    place, message = WRONG[text]
    sub = "services: {b: {image: x}, back: {extends: {file: compose.yaml, service: a}}}\n"
    error = failure(tmp_path, {"compose.yaml": text, "sub.yaml": sub})
    assert error.message == f"compose.yaml:{place}: {message}"
    assert error.others == ()


def test_a_service_that_extends_one_without_image_is_reported_once(tmp_path: Path) -> None:
    error = failure(tmp_path, {"compose.yaml": "services: {a: {extends: b}, b: {init: true}}\n"})
    assert [each.message.rpartition(": ")[2] for each in (error, *error.others)] == [
        "service a has no image, build or x-devenv.process",
        "service b has no image, build or x-devenv.process",
    ]


@pytest.mark.slow
def test_a_chain_and_copies_of_a_large_service_end_with_a_place(tmp_path: Path) -> None:
    chain = "".join(f"  s{n}: {{extends: s{n + 1}}}\n" for n in range(3000)) + "  s3000: {image: x}\n"
    message = failure(tmp_path, {"compose.yaml": f"services:\n{chain}"}).message
    assert f"more than {MAXIMUM_DEPTH} services extend each other" in message
    labels = ", ".join(f"l{n}: x" for n in range(5_000))
    copies = "".join(f"  s{n}: {{extends: big}}\n" for n in range(100))
    text = f"services:\n  big: {{image: x, labels: {{{labels}}}}}\n{copies}"
    assert "expand to more than 200000 values" in failure(tmp_path, {"compose.yaml": text}).message
