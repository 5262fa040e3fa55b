"""Which stack a command means: the default rule, ``-f`` and ``-s``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from devenv.errors import UnknownName, UsageError
from devenv.stack import discover, discovery, list_stacks, shipped_stacks


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("services: {a: {image: x}}")
    return path


@pytest.fixture
def shipped(tmp_path, monkeypatch) -> Path:
    """Stands for the stacks that devenv ships."""
    folder = tmp_path / "shipped"
    touch(folder / "sample" / "compose.yaml")
    monkeypatch.setattr(discovery, "shipped_stacks", lambda: folder)
    return folder


@pytest.fixture
def project(tmp_path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("name", discovery.FILE_NAMES)
def test_compose_file_of_the_directory(shipped, project, name):
    path = touch(project / name)
    found = discover(project)
    assert (found.files, found.directory, found.name, found.source) == ((path,), project, "project", "directory")


def test_compose_yaml_goes_before_the_older_names(shipped, project):
    for name in discovery.FILE_NAMES:
        touch(project / name)
    assert discover(project).files == (project / "compose.yaml",)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("compose.yaml", "compose.override.yaml"),
        ("compose.yml", "compose.override.yml"),
        ("docker-compose.yml", "docker-compose.override.yml"),
        ("docker-compose.yaml", "docker-compose.override.yaml"),
        ("compose.yaml", "compose.override.yml"),
    ],
)
def test_override_file_is_merged(shipped, project, first, second):
    files = (touch(project / first), touch(project / second))
    assert discover(project).files == files


def test_override_file_alone_is_no_stack(shipped, project):
    touch(project / "compose.override.yaml")
    assert discover(project).source == "packaged"


def test_directory_named_like_a_compose_file_is_none(shipped, project):
    (project / "compose.yaml").mkdir()
    assert discover(project).source == "packaged"


def test_only_one_in_stacks(shipped, project):
    path = touch(project / "stacks" / "shop" / "compose.yml")
    (project / "stacks" / "empty").mkdir()
    found = discover(project)
    assert (found.files, found.directory, found.name, found.source) == ((path,), project, "shop", "stacks")


def test_sample_among_several_in_stacks(shipped, project):
    touch(project / "stacks" / "shop" / "compose.yaml")
    path = touch(project / "stacks" / "sample" / "compose.yaml")
    assert discover(project).files == (path,)


def test_several_in_stacks_without_sample_need_a_choice(shipped, project):
    touch(project / "stacks" / "one" / "compose.yaml")
    touch(project / "stacks" / "two" / "compose.yaml")
    with pytest.raises(UsageError, match="one, two") as caught:
        discover(project)
    assert "-s" in caught.value.hint
    assert discover(project, stack_name="two").name == "two"


def test_shipped_sample_is_the_last_resort(shipped, project):
    found = discover(project)
    assert (found.files, found.directory) == ((shipped / "sample" / "compose.yaml",), project)
    assert (found.name, found.source) == ("sample", "packaged")


def test_nothing_at_all(project, tmp_path, monkeypatch):
    monkeypatch.setattr(discovery, "shipped_stacks", lambda: tmp_path / "nowhere")
    with pytest.raises(UsageError, match="no stack file in"):
        discover(project)


def test_stack_by_name(shipped, project):
    touch(project / "compose.yaml")
    path = touch(project / "stacks" / "shop" / "compose.yaml")
    assert discover(project, stack_name="shop").files == (path,)
    assert discover(project, stack_name="sample").source == "packaged"
    with pytest.raises(UnknownName) as caught:
        discover(project, stack_name="shp")
    assert caught.value.hint == "did you mean 'shop'?"
    assert caught.value.details["known"] == ["shop", "sample"]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc"])
def test_stack_name_is_no_path(shipped, project, name):
    touch(project / "compose.yaml")
    with pytest.raises(UnknownName):
        discover(project, stack_name=name)


def test_files_given_are_taken_as_they_are(shipped, project):
    touch(project / "compose.yaml")
    found = discover(project, files=[Path("sub/a.yaml"), project / "b.yaml"])
    assert found.files == (project / "sub" / "a.yaml", project / "b.yaml")
    assert (found.directory, found.name, found.source) == (project, "sub", "files")


def test_files_and_name_exclude_each_other(project):
    with pytest.raises(UsageError, match="-f and -s"):
        discover(project, files=[Path("a")], stack_name="b")


def test_list_names_each_stack_once(shipped, project):
    touch(project / "compose.yaml")
    touch(project / "stacks" / "shop" / "compose.yaml")
    touch(project / "stacks" / "sample" / "compose.yaml")
    assert [(stack.name, stack.source) for stack in list_stacks(project)] == [
        ("project", "directory"),
        ("sample", "stacks"),
        ("shop", "stacks"),
    ]


def test_shipped_stacks_hold_the_sample():
    assert (shipped_stacks() / "sample" / "compose.yaml").is_file()


def test_finding_a_stack_imports_nothing_heavy():
    script = (
        "import sys, pathlib; from devenv.stack import discover; discover(pathlib.Path('.'));"
        "print([name for name in ('pydantic', 'yaml', 'docker', 'rich') if name in sys.modules])"
    )
    root = Path(__file__).parents[3]
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=root)
    assert result.stdout.strip() == "[]", result.stderr
