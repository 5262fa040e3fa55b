"""`devenv init`: what a project is made of, and that nothing which is there is overwritten or half written."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import yaml

from devenv.app.invocation import Invocation
from devenv.app.scaffold import changes as writing
from devenv.app.scaffold.changes import new_files
from devenv.app.scaffold.init import init_project, project_files
from devenv.cli.main import run
from devenv.disk import replace_file
from devenv.errors import DiskFull, EnvironmentFailure, UsageError
from devenv.stack import list_stacks, shipped_stacks, shipped_templates
from devenv.stack.loader import load_stack


@pytest.fixture
def here(tmp_path: Path) -> Invocation:
    return Invocation(directory=tmp_path)


def listing(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_the_project_is_the_sample_with_its_own_names(here):
    document = init_project(here, directory=Path("My Shop"))
    root = here.directory / "My Shop"
    assert document.changed
    assert (document.directory, document.file) == (str(root), str(root / "compose.yaml"))
    assert {root / name for name in document.files} == {path for path in root.rglob("*") if path.is_file()}
    made = load_stack([root / "compose.yaml"], environ={})
    sample = load_stack([shipped_stacks() / "sample" / "compose.yaml"], environ={})
    assert made.name == "my-shop"
    assert (made.x, list(made.services)) == (sample.x, list(sample.services))
    for name, service in made.services.items():
        assert (service.environment, service.command) == (
            sample.services[name].environment,
            sample.services[name].command,
        )
        if service.build:
            assert (service.build.context, service.build.dockerfile, service.image) == (
                root,
                "Dockerfile",
                "my-shop:latest",
            )


def test_the_stack_file_differs_from_the_samples_in_four_values(here):
    init_project(here, directory=Path("shop"))
    sample = (shipped_stacks() / "sample" / "compose.yaml").read_text().splitlines()
    made = (here.directory / "shop" / "compose.yaml").read_text().splitlines()
    assert len(made) == len(sample)
    changed = [new.strip() for old, new in zip(sample, made, strict=True) if old != new]
    assert changed == ["name: shop", "image: shop:latest", "context: .", "dockerfile: Dockerfile"]


def test_services_are_the_samples_byte_for_byte():
    made = project_files("shop")
    sample = shipped_stacks() / "sample"
    for folder in ("gateway", "auth", "user", "chassis"):
        for path in (sample / folder).rglob("*.py"):
            assert made[path.relative_to(sample).as_posix()] == path.read_bytes()
    template = shipped_templates() / "project"
    for name in ("Dockerfile", "README.md", ".dockerignore", ".gitignore"):
        assert made[name] == (template / name).read_bytes()
    assert list(made)[-1] == "compose.yaml"


def test_caches_and_state_are_not_copied(tmp_path, monkeypatch):
    from devenv.app.scaffold import init

    for name in (
        "sample/user/__pycache__/app.pyc",
        "sample/.devenv/project.json",
        "sample/vendor/a.whl",
        "sample/a.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    assert dict(init._below(tmp_path / "sample")) == {"a.py": b"x"}


@pytest.mark.parametrize("name", ["123", "true", "on", "1e3", "a-b_c", "a__b"])
def test_names_stay_text_and_images_can_be_called_so(name):
    text = project_files(name)["compose.yaml"].decode()
    assert yaml.safe_load(text)["name"] == name
    assert "__" not in yaml.safe_load(text)["x-image"]["image"]


@pytest.mark.parametrize("name", ["My Shop", "shop/x", "-shop", ""])
def test_a_name_that_cannot_be_one_is_refused_with_one_that_can(here, name):
    with pytest.raises(UsageError, match="--name") as caught:
        init_project(here, name=name)
    assert caught.value.hint.startswith("use --name ")
    assert listing(here.directory) == set()


@pytest.mark.parametrize("name", ["compose.yaml", "docker-compose.yml", "compose.override.yaml"])
def test_a_directory_with_a_stack_is_refused(here, name):
    (here.directory / name).write_text("services: {}\n")
    with pytest.raises(UsageError, match=name) as caught:
        init_project(here)
    assert f"devenv init --from {name}" in caught.value.hint
    assert listing(here.directory) == {name}


def test_what_would_be_overwritten_is_named_and_nothing_written(here):
    root = here.directory
    (root / "README.md").write_text("mine")
    (root / "Dockerfile").write_text("FROM mine")
    (root / ".gitignore").mkdir()
    (root / ".dockerignore").symlink_to("nowhere")
    (root / "gateway").write_text("a file where a folder has to be")
    (root / "user").mkdir()
    (root / "user" / "app.py").symlink_to("nowhere")
    before = listing(root)
    with pytest.raises(UsageError) as caught:
        init_project(here)
    in_the_way = {"Dockerfile", ".gitignore", ".dockerignore", "gateway", "user/app.py"}
    assert set(caught.value.details["files"]) == in_the_way
    assert listing(root) == before
    assert (root / "README.md").read_text() == "mine"


def test_what_a_new_repository_has_is_kept_and_said(here):
    mine = {
        "README.md": "mine",
        "LICENSE": "mine",
        ".gitignore": "# mine\n/.venv\n.env\n__pycache__\n",
        ".dockerignore": ".git/\n",
    }
    for name, text in mine.items():
        (here.directory / name).write_text(text)
    dry = init_project(here, dry_run=True)
    document = init_project(here)
    assert {name: (here.directory / name).read_text() for name in mine} == mine
    assert {"compose.yaml", "Dockerfile", "gateway/app.py"} <= set(document.files)
    assert not mine.keys() & set(document.files)
    assert (dry.notes, dry.files) == (document.notes, document.files)
    lacking = ".gitignore, .devenv, .venv, .env, .pytest_cache, **/__pycache__, *.md, compose*.yaml"
    assert document.notes == [
        "kept README.md; devenv's version, with instructions for the project, was not written",
        f"kept .dockerignore; add the missing lines: {lacking}",
        "kept .gitignore; add the missing lines: .devenv/, .pytest_cache/",
    ]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", "kept .gitignore"),
        ("/vendor/\n", "kept .gitignore; remove /vendor/, because the image build needs vendor/"),
        ("*\n!vendor/\n", "kept .gitignore"),
        ("*.whl\n", "kept .gitignore; remove *.whl, because the image build needs vendor/"),
    ],
)
def test_a_kept_ignore_file_that_hides_the_library_is_told(here, more, said):
    ours = (shipped_templates() / "project" / ".gitignore").read_text()
    (here.directory / ".gitignore").write_text(ours + more)
    assert init_project(here).notes == [said]


def test_what_is_kept_is_no_half_project_when_the_rest_fails(here, monkeypatch):
    def full(path, content):
        raise writing.not_written(path, OSError(errno.ENOSPC, "No space left on device"))

    (here.directory / "README.md").write_text("mine")
    monkeypatch.setattr(writing, "replace_file", full)
    with pytest.raises(DiskFull):
        init_project(here)
    assert listing(here.directory) == {"README.md"}


def test_an_older_wheel_would_be_installed_beside_the_new_one(here):
    (here.directory / "vendor").mkdir()
    (here.directory / "vendor" / "devenv_otel-0.0.1-py3-none-any.whl").write_text("x")
    with pytest.raises(UsageError, match=r"devenv_otel-0\.0\.1"):
        init_project(here)


def test_what_is_not_in_the_way_stays(here):
    (here.directory / "notes.txt").write_text("mine")
    (here.directory / "user").mkdir()
    init_project(here)
    assert (here.directory / "notes.txt").read_text() == "mine"


def test_a_dry_run_lists_the_files_and_writes_none(here):
    document = init_project(here, directory=Path("shop"), dry_run=True)
    assert (document.changed, document.dry_run) == (False, True)
    assert {"compose.yaml", "Dockerfile", "gateway/app.py"} <= set(document.files)
    assert listing(here.directory) == set()


def test_a_full_disk_leaves_nothing_behind(here, monkeypatch):
    real, written = writing.replace_file, []

    def until_full(path, content):
        if len(written) == 10:
            raise writing.not_written(path, OSError(errno.ENOSPC, "No space left on device"))
        written.append(path)
        real(path, content)

    monkeypatch.setattr(writing, "replace_file", until_full)
    (here.directory / "kept").write_text("x")
    with pytest.raises(DiskFull):
        init_project(here, directory=Path("a/b"))
    assert len(written) == 10
    assert listing(here.directory) == {"kept"}


def test_ctrl_c_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(path, content):
        path.write_bytes(content)
        raise KeyboardInterrupt

    monkeypatch.setattr(writing, "replace_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        new_files(tmp_path / "new", {"a/b": b"x"}).make()
    assert listing(tmp_path) == set()


def test_a_replaced_file_keeps_its_mode_and_its_link(tmp_path):
    target = tmp_path / "target"
    target.write_text("old")
    target.chmod(0o640)
    (tmp_path / "link").symlink_to(target)
    replace_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("new", 0o640)
    assert listing(tmp_path) == {"link", "target"}


def test_a_file_that_cannot_be_replaced_stays(tmp_path):
    (tmp_path / "folder" / "x").mkdir(parents=True)
    with pytest.raises(EnvironmentFailure, match=r"cannot write .*folder"):
        replace_file(tmp_path / "folder", b"new")
    assert listing(tmp_path) == {"folder", "folder/x"}


def test_templates_are_no_stack():
    assert shipped_templates().is_dir()
    assert shipped_templates().name not in {stack.name for stack in list_stacks(shipped_stacks().parent)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["init", "--library"], "--library requires --from FILE"),
        (["init", "--entrypoint", "web"], "--entrypoint requires --from FILE"),
        (["init", "--canary-path", "/x"], "--canary-path requires --from FILE"),
        (["init", "shop", "--from", "compose.yaml"], "DIR cannot be used with --from"),
        (["init", "--name", "x", "--from", "compose.yaml"], "--name cannot be used with --from"),
        (["init", "-s", "sample"], "init does not accept -f or -s"),
        (["init", "-f", "compose.yaml"], "init does not accept -f or -s"),
    ],
)
def test_options_that_do_not_go_together(tmp_path, capsys, arguments, said):
    assert run(["-C", str(tmp_path), *arguments]) == 2
    assert said in capsys.readouterr().err
    assert listing(tmp_path) == set()


def test_people_read_what_was_made(tmp_path, capsys):
    assert run(["-C", str(tmp_path), "init", "a shop"]) == 0
    said = capsys.readouterr().out
    assert f" files in {tmp_path}/a shop: " in said
    assert "Next: cd 'a shop', devenv up" in said
