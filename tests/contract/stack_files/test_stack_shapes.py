"""devenv and `docker compose config` agree on small files of the shapes that public Compose files have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from compose.resolved import compose_config, normal

from devenv.stack import load_stack
from devenv.stack.dump import dump

FILE = Path(__file__).parents[2] / "fixtures" / "compose" / "shapes" / "shapes.yaml"
SHAPES: dict[str, str] = yaml.safe_load(FILE.read_text())
ENVIRON = {"HOME": "/home/somebody"}


def test_there_are_enough_of_them() -> None:
    assert len(SHAPES) >= 60


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_read_as_compose_reads_it(compose: list[str], shape: str, tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(SHAPES[shape])
    ours = json.loads(json.dumps(dump(load_stack([file], environ=ENVIRON))))
    theirs = compose_config(compose, [file], ENVIRON)
    assert normal({**ours, "name": None}, theirs["name"]) == normal({**theirs, "name": None}, theirs["name"])
