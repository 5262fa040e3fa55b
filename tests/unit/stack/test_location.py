"""Which project a command means: upwards from its directory, by ``COMPOSE_FILE``, and by the record of what is up."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devenv.app.invocation import Invocation, read_stack
from devenv.errors import StackFileError
from devenv.stack import discover, discovery
from devenv.stack.location import locate


def touch(path: Path, text: str = "services: {a: {image: x}}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def invocation(start: Path, environ: dict[str, str] | None = None, stack: str | None = None) -> Invocation:
    """As the command line makes it in ``start``."""
    environ = environ or {}
    found = locate(start, environ, stack_name=stack)
    return Invocation(
        directory=found.directory,
        working_directory=start,
        files=found.files,
        settings=found.settings,
        stack=stack,
        environ=environ,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    touch(tmp_path / "project" / "compose.yaml")
    (tmp_path / "project" / "src" / "api").mkdir(parents=True)
    return tmp_path / "project"


def test_the_stack_file_is_looked_for_upwards(project: Path) -> None:
    below = project / "src" / "api"
    assert discover(below).files == (project / "compose.yaml",)
    assert discover(below).directory == project
    assert locate(below, {}).directory == project
    loaded = read_stack(invocation(below))
    assert loaded.project == read_stack(invocation(project)).project
    assert loaded.notice == f"using the project above, in {project}"


def test_the_nearest_stack_file_counts(project: Path) -> None:
    touch(project / "src" / "compose.yml")
    assert locate(project / "src" / "api", {}).directory == project / "src"


def test_the_override_file_beside_the_one_above_is_merged(project: Path) -> None:
    override = touch(project / "compose.override.yaml")
    assert discover(project / "src").files == (project / "compose.yaml", override)


def test_a_folder_of_stacks_above_is_found_too(tmp_path: Path) -> None:
    touch(tmp_path / "stacks" / "shop" / "compose.yaml")
    (tmp_path / "src").mkdir()
    found = discover(tmp_path / "src")
    assert (found.name, found.directory) == ("shop", tmp_path)


def test_the_sample_runs_only_without_any_stack_file_above_and_says_so(project: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    loaded = read_stack(invocation(empty))
    assert "gateway" in loaded.stack.services
    assert loaded.notice.startswith(f"no stack file in {empty} or above it: using the shipped sample")
    asked = read_stack(invocation(project / "src", stack="sample"))
    assert (asked.project.directory, "gateway" in asked.stack.services) == (project, True)


def test_a_project_that_is_up_without_a_stack_file_is_found_from_below(tmp_path: Path) -> None:
    touch(tmp_path / ".devenv" / "project.json", "{}")
    (tmp_path / "src").mkdir()
    assert locate(tmp_path / "src", {}).directory == tmp_path


def test_the_stack_file_of_another_user_above_is_passed_over(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = project / "src" / "api"
    theirs = os.geteuid() + 1
    real = Path.lstat

    def lstat(path: Path) -> os.stat_result:
        found = real(path)
        if path.name != "compose.yaml":
            return found
        return os.stat_result([*found[:4], theirs, *found[5:]])

    monkeypatch.setattr(Path, "lstat", lstat)
    assert locate(below, {}).directory == below
    assert discover(below).source == "packaged"
    assert f"{project / 'compose.yaml'} belongs to another user" in read_stack(invocation(below)).notice
    assert locate(project, {}).directory == project, "in its own directory it is what the user asks for"


def test_an_unreadable_directory_does_not_stop_commands_without_a_stack_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> tuple[Path, ...]:
        raise discovery._not_allowed(folder)

    monkeypatch.setattr(discovery, "files_in", refuse)
    assert locate(tmp_path, {}).directory == tmp_path


@pytest.mark.parametrize("place", ["environment", ".env"])
def test_compose_file(project: Path, place: str) -> None:
    names = "base.yaml:more/dev.yaml"
    touch(project / "base.yaml", "services: {a: {image: x}}")
    touch(project / "more" / "dev.yaml", "services: {b: {image: y}}")
    environ = {"COMPOSE_FILE": names} if place == "environment" else {}
    if place == ".env":
        touch(project / ".env", f"COMPOSE_FILE={names}\n")
    loaded = read_stack(invocation(project, environ))
    assert list(loaded.stack.services) == ["a", "b"]
    assert loaded.project.directory == project
    assert "COMPOSE_FILE" in loaded.notice


def test_compose_file_of_the_environment_goes_before_that_of_dotenv(project: Path) -> None:
    touch(project / ".env", "COMPOSE_FILE=one.yaml\n")
    found = locate(project, {"COMPOSE_FILE": "two.yaml"})
    assert found.files == (project / "two.yaml",)
    assert found.settings["COMPOSE_FILE"].origin == "the environment"


def test_compose_path_separator(project: Path) -> None:
    environ = {"COMPOSE_FILE": "a.yaml;sub/b.yaml", "COMPOSE_PATH_SEPARATOR": ";"}
    assert locate(project, environ).files == (project / "a.yaml", project / "sub" / "b.yaml")
    touch(project / ".env", "COMPOSE_FILE=a.yaml|b.yaml\nCOMPOSE_PATH_SEPARATOR=|\n")
    assert locate(project, {}).files == (project / "a.yaml", project / "b.yaml")


def test_compose_file_from_below_is_relative_to_where_the_command_runs(project: Path) -> None:
    touch(project / "dev.yaml")
    found = locate(project / "src", {"COMPOSE_FILE": "../dev.yaml"})
    assert (found.files, found.directory) == ((project / "dev.yaml",), project)


def test_an_empty_compose_file_counts_as_not_set(project: Path) -> None:
    assert locate(project, {"COMPOSE_FILE": ""}).files == ()


def test_the_option_s_takes_precedence_over_compose_file(project: Path) -> None:
    assert locate(project, {"COMPOSE_FILE": "a.yaml"}, stack_name="sample").files == ()


def test_compose_file_that_does_not_exist_is_named(project: Path) -> None:
    with pytest.raises(StackFileError, match="no such file") as caught:
        read_stack(invocation(project, {"COMPOSE_FILE": "missing.yaml"}))
    assert "COMPOSE_FILE" in caught.value.hint


def test_a_dash_in_compose_file_is_the_standard_input(project: Path) -> None:
    alone = locate(project, {"COMPOSE_FILE": "-"})
    assert (alone.directory, alone.files, alone.standard_input) == (project.resolve(), (project / "-",), project / "-")
    beside = locate(project, {"COMPOSE_FILE": "-:sub/b.yaml"})
    assert beside.directory == (project / "sub").resolve()
    assert locate(project, {"COMPOSE_FILE": "sub/b.yaml"}).standard_input is None


def test_compose_project_name_takes_precedence_over_the_name_of_the_file(project: Path) -> None:
    text = "name: written\nservices: {a: {image: x, environment: {N: '$COMPOSE_PROJECT_NAME'}}}"
    touch(project / "compose.yaml", text)
    assert read_stack(invocation(project)).project.name == "written"
    touch(project / ".env", "COMPOSE_PROJECT_NAME=of-dotenv\n")
    assert read_stack(invocation(project)).project.name == "of-dotenv"
    loaded = read_stack(invocation(project, {"COMPOSE_PROJECT_NAME": "of-shell"}))
    assert loaded.project.name == "of-shell"
    assert loaded.stack.services["a"].environment["N"] == "of-shell"
    empty = read_stack(invocation(project, {"COMPOSE_PROJECT_NAME": ""}))
    assert (empty.project.name, empty.stack.services["a"].environment["N"]) == ("written", "written")


def test_a_wrong_compose_project_name_is_an_error(project: Path) -> None:
    with pytest.raises(StackFileError, match="COMPOSE_PROJECT_NAME from the environment: 'My Shop' is not a valid"):
        read_stack(invocation(project, {"COMPOSE_PROJECT_NAME": "My Shop"}))


def test_compose_env_files_take_the_place_of_dotenv_and_later_ones_win(project: Path) -> None:
    text = "services: {a: {image: 'x:${TAG}', environment: {A: '${A:-}', B: '${B:-}'}}}"
    touch(project / "compose.yaml", text)
    touch(project / ".env", "TAG=dotenv\nA=dotenv\n")
    touch(project / "one.env", "TAG=one\nB=$TAG\n")
    touch(project / "two.env", "TAG=two-$TAG\n")
    service = read_stack(invocation(project, {"COMPOSE_ENV_FILES": "one.env,two.env"})).stack.services["a"]
    assert (service.image, service.environment) == ("x:two-one", {"A": "", "B": "one"})
    with pytest.raises(StackFileError, match="no such file") as caught:
        read_stack(invocation(project, {"COMPOSE_ENV_FILES": "one.env,missing.env"}))
    assert "missing.env" in str(caught.value)
    assert "COMPOSE_ENV_FILES" in caught.value.hint


def test_compose_env_files_can_name_the_stack_files(project: Path) -> None:
    touch(project / "dev.env", "COMPOSE_FILE=dev.yaml\n")
    assert locate(project, {"COMPOSE_ENV_FILES": "dev.env"}).files == (project / "dev.yaml",)


def test_dotenv_can_be_switched_off(project: Path) -> None:
    touch(project / ".env", "COMPOSE_FILE=dev.yaml\nCOMPOSE_PROJECT_NAME=x\n")
    environ = {"COMPOSE_DISABLE_ENV_FILE": "true"}
    assert read_stack(invocation(project, environ)).project.name == "project"
    (project / ".env").unlink()
    with pytest.raises(StackFileError, match="COMPOSE_DISABLE_ENV_FILE: found 'perhaps'"):
        read_stack(invocation(project, {"COMPOSE_DISABLE_ENV_FILE": "perhaps"}))


def test_dotenv_of_the_working_directory_goes_before_that_of_the_project(project: Path) -> None:
    text = "services: {a: {image: x, environment: {A: '$A', B: '$B'}}}"
    touch(project / "compose.yaml", text)
    touch(project / ".env", "A=project\nB=project-$A\n")
    touch(project / "src" / ".env", "A=src\n")
    stack = read_stack(invocation(project / "src")).stack
    assert stack.services["a"].environment == {"A": "src", "B": "project-src"}


def test_compose_profiles_of_dotenv(project: Path) -> None:
    touch(project / "compose.yaml", "services: {a: {image: x}, b: {image: y, profiles: [debug]}}")
    touch(project / ".env", "COMPOSE_PROFILES=debug\n")
    assert list(read_stack(invocation(project)).stack.services) == ["a", "b"]
    assert list(read_stack(invocation(project, {"COMPOSE_PROFILES": ""})).stack.services) == ["a"]


def test_a_dotenv_with_an_error_stops_only_what_reads_the_stack(project: Path) -> None:
    touch(project / ".env", "COMPOSE_PROFILES=x\n=y\n")
    assert locate(project, {}).directory == project
    with pytest.raises(StackFileError, match="not a valid variable name"):
        read_stack(invocation(project))
