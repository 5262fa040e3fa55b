"""Agents on disk: complete, or not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devenv.errors import EnvironmentFailure, LockHeld, UnknownName
from devenv.orchestrate.agents.catalogue import JAVA, NODE, agent_kind
from devenv.orchestrate.agents.store import Agent, AgentStore


@pytest.fixture
def store(tmp_path: Path) -> AgentStore:
    return AgentStore(tmp_path / "agents")


def add(store: AgentStore, text: str = "one", version: str = "1.0") -> Agent:
    with store.locked(), store.new_folder() as folder:
        (folder / JAVA.entry).write_text(text)
        return store.install(JAVA, folder, version=version, source="mvn")


def test_the_folder_is_the_users_cache_unless_a_variable_names_one() -> None:
    assert AgentStore.of_user({"HOME": "/home/u"}).directory == Path("/home/u/.cache/devenv/agents")
    assert AgentStore.of_user({"HOME": "/home/u", "XDG_CACHE_HOME": "/c"}).directory == Path("/c/devenv/agents")
    assert AgentStore.of_user({"HOME": "/home/u", "XDG_CACHE_HOME": "c"}).directory.is_relative_to("/home/u/.cache")
    assert AgentStore.of_user({"DEVENV_AGENTS_DIR": "/a", "XDG_CACHE_HOME": "/c"}).directory == Path("/a")


def test_nothing_is_there_at_first_and_looking_creates_nothing(store: AgentStore) -> None:
    assert store.agents() == []
    assert not store.directory.exists()


def test_an_agent_that_was_added_is_found_with_its_files(store: AgentStore) -> None:
    added = add(store)
    assert store.find(JAVA) == added
    assert store.agents() == [added]
    assert store.find(NODE) is None
    assert added.files() == ((JAVA.entry, added.entry),)
    assert (added.version, added.source, added.size) == ("1.0", "mvn", 3)
    assert added.entry.read_text() == "one"


def test_a_new_version_takes_the_place_of_the_one_before(store: AgentStore) -> None:
    before = add(store)
    after = add(store, "two", "2.0")
    assert store.find(JAVA) == after
    assert not before.directory.exists()
    assert after.sha256 != before.sha256


def test_the_same_agent_again_stays(store: AgentStore) -> None:
    assert add(store) == add(store)


def test_an_agent_whose_files_were_changed_is_put_right(store: AgentStore) -> None:
    add(store).entry.write_text("changed")
    assert add(store).entry.read_text() == "one"


def test_a_command_that_ends_early_leaves_what_was_there(store: AgentStore) -> None:
    added = add(store)
    with pytest.raises(KeyboardInterrupt), store.locked(), store.new_folder() as folder:  # noqa: PT012 - the end of the block
        (folder / JAVA.entry).write_text("half")
        raise KeyboardInterrupt
    assert store.find(JAVA) == added
    assert sorted(path.name for path in store.directory.iterdir()) == [".lock", added.directory.name, "java.json"]


def test_what_a_killed_command_left_is_removed_by_the_next(store: AgentStore) -> None:
    (store.directory / ".new-killed").mkdir(parents=True)
    add(store)
    assert not list(store.directory.glob(".new-*"))


@pytest.mark.parametrize(
    "record", ["", "{", "[]", "{}", '{"language": "node"}', json.dumps({"language": "java", "folder": "../x"})]
)
def test_a_record_that_is_none_counts_as_missing_and_is_replaced(store: AgentStore, record: str) -> None:
    add(store)
    (store.directory / "java.json").write_text(record)
    assert store.find(JAVA) is None
    assert add(store) == store.find(JAVA)


def test_an_agent_without_its_file_counts_as_missing(store: AgentStore) -> None:
    add(store).entry.unlink()
    assert store.find(JAVA) is None


def test_one_command_at_a_time_changes_the_store(store: AgentStore) -> None:
    with store.locked(), pytest.raises(LockHeld, match="another devenv command"), AgentStore(store.directory).locked():
        pytest.fail("two hold the lock")


def test_what_was_removed_is_gone(store: AgentStore) -> None:
    added = add(store)
    with store.locked():
        store.remove(JAVA)
    assert store.find(JAVA) is None
    assert not added.directory.exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentFailure, match="cannot write"), AgentStore(tmp_path / "file" / "agents").locked():
        pytest.fail("there is no folder")


def test_a_language_without_an_agent_is_refused() -> None:
    with pytest.raises(UnknownName, match="no agent for 'ruby'"):
        agent_kind("ruby")
