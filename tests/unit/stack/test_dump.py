"""The canonical long form: what it says, that it loads to the same stack, and where its values came from."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from devenv.errors import Location
from devenv.model.stack import Stack
from devenv.stack import load_stack
from devenv.stack.dump import dump, duration_text, yaml_text
from devenv.stack.loader import stack_origins

FIXTURES = Path(__file__).parents[2] / "fixtures" / "compose"
ENVIRON = {"HOME": "/home/somebody", "SET": "$set", "EMPTY": "", "TRUTH": "true", "PORT": "80", "OVERRIDDEN": "x"}
SAMPLE = Path(__file__).parents[3] / "stacks" / "sample" / "compose.yaml"
FILES = {
    "everything": [FIXTURES / "everything" / "compose.yaml"],
    "dotenv": [FIXTURES / "dotenv" / "compose.yaml"],
    "interpolated": [FIXTURES / "interpolated" / "compose.yaml"],
    "merged": [FIXTURES / "merged" / "compose.yaml", FIXTURES / "merged" / "override.yaml"],
    "sample": [SAMPLE],
}


def comparable(stack: Stack) -> dict[str, object]:
    """All of a stack but places in files and the order of what has none."""
    nowhere = Location("")
    services = {
        name: replace(service, location=nowhere, mounts=tuple(sorted(service.mounts, key=lambda m: m.target)))
        for name, service in stack.services.items()
    }
    return {
        "name": stack.name,
        "services": services,
        "x": stack.x,
        "networks": dict(stack.networks),
        "volumes": dict(stack.volumes),
        "secrets": {key: replace(source, value=None) for key, source in stack.secrets.items()},
        "configs": dict(stack.configs),
    }


@pytest.mark.parametrize("case", FILES)
def test_loading_what_was_written_gives_the_same_stack(case, tmp_path):
    stack = load_stack(FILES[case], environ=ENVIRON)
    written = tmp_path / "compose.yaml"
    written.write_text(yaml_text(dump(stack)))
    again = load_stack([written], environ={})
    assert comparable(again) == comparable(stack)
    assert yaml_text(dump(again)) == yaml_text(dump(stack))


def test_text_that_looks_like_something_else_is_quoted(tmp_path):
    """For readers of YAML 1.1 and 1.2 alike."""
    texts = [
        "1",
        "1.5",
        "true",
        "yes",
        "on",
        "null",
        "~",
        "",
        "22:22",
        "0o17",
        "017",
        "0x1",
        "2001-01-01",
        "a: b",
        "#",
        "$A",
        "=",
        "<<",
    ]
    path = tmp_path / "compose.yaml"
    path.write_text(json.dumps({"services": {"a": {"image": "x", "command": [t.replace("$", "$$") for t in texts]}}}))
    stack = load_stack([path], environ={})
    assert stack.services["a"].command == tuple(texts)
    text = yaml_text(dump(stack))
    assert yaml.safe_load(text)["services"]["a"]["command"] == [t.replace("$", "$$") for t in texts]
    path.write_text(text)
    assert load_stack([path], environ={}).services["a"].command == tuple(texts)


def test_long_form(tmp_path):
    path = tmp_path / "compose.yaml"
    path.write_text(
        "services: {a: {image: x, ports: ['8080:80'], environment: [A=$$1], depends_on: [b]}, b: {image: y}}"
    )
    assert dump(load_stack([path], environ={})) == {
        "services": {
            "a": {
                "depends_on": {"b": {"condition": "service_started", "required": True}},
                "environment": {"A": "$1"},
                "image": "x",
                "networks": {"default": None},
                "ports": [{"mode": "ingress", "target": 80, "published": "8080", "protocol": "tcp"}],
            },
            "b": {"image": "y", "networks": {"default": None}},
        },
        "networks": {"default": {}},
    }


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (1, "1s"),
        (90, "1m30s"),
        (3600, "1h0m0s"),
        (3725, "1h2m5s"),
        (0.5, "500ms"),
        (1.25, "1250ms"),
        (0.0005, "500us"),
    ],
)
def test_durations(seconds, text):
    assert duration_text(seconds) == text


def test_every_leaf_has_an_origin(tmp_path):
    path = tmp_path / "compose.yaml"
    path.write_text(
        "services:\n"
        "  a:\n"
        "    image: x:${TAG:-1}\n"
        "    environment:\n"
        "      OWN: ${V}\n"
        "      SHELL_ONE:\n"
        "    env_file: e.env\n"
        "    tmpfs: [/t]\n"
        "    volumes: ['/v']\n"
        "    healthcheck: {test: x}\n"
    )
    (tmp_path / ".env").write_text("V=1\n")
    (tmp_path / "e.env").write_text("\nFILE=1\n")
    origins = stack_origins([path], environ={"SHELL_ONE": "1"})
    stack = load_stack([path], environ={"SHELL_ONE": "1"})
    assert stack.services["a"].environment == {"FILE": "1", "OWN": "1", "SHELL_ONE": "1"}
    expected = {
        "services.a.image": f"{path}:3:12 ($TAG is not set)",
        "services.a.environment.OWN": f"{path}:5:12 ($V from {tmp_path}/.env:1:1)",
        "services.a.environment.SHELL_ONE": f"{path}:6:7 ($SHELL_ONE from the environment)",
        "services.a.environment.FILE": f"{tmp_path}/e.env:2:1 (env_file[0])",
        "services.a.volumes[0].target": f"{path}:9:15",
        "services.a.volumes[1].target": f"{path}:8:13",
        "services.a.healthcheck.test[1]": f"{path}:10:25",
        "services.a.healthcheck.interval": "default",
        "services.a.networks.default": "default",
    }
    assert {key: origins[key] for key in expected} == expected
