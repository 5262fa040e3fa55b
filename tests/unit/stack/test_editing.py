"""Edits of YAML files: what is asked for is there, and no other line has changed."""

from __future__ import annotations

import textwrap

import pytest
import yaml

from devenv.errors import ConfigurationError
from devenv.stack.edit import YamlText, scalar

STACK = """\
# A stack.
x-devenv:
  canary: &profile
    services: [gateway, auth] # in this order
  load: {}

services:
  gateway:
    environment:
      <<: *tracing
      AUTH_URL: http://auth:8081 # auth
    ports: ["8080:8080"]

  # comes second
  auth:
    environment: *tracing
    depends_on:

# The end.
volumes: {}
"""


def edited(text: str, *edits: tuple[object, ...]) -> str:
    document = YamlText(textwrap.dedent(text), "compose.yaml")
    for verb, *arguments in edits:
        getattr(document, str(verb))(*arguments)
    return document.text


def added_lines(before: str, after: str) -> list[str]:
    """The new lines; fails where an old one is gone or has moved."""
    old = before.splitlines()
    new = []
    for line in after.splitlines():
        if old and line == old[0]:
            old.pop(0)
        else:
            new.append(line)
    assert not old
    return new


def test_an_entry_goes_behind_the_last_one_and_keeps_its_comment() -> None:
    after = edited(STACK, ("add", ("services", "gateway", "environment"), "ORDERS_URL", "http://orders:8083"))
    assert added_lines(STACK, after) == ["      ORDERS_URL: http://orders:8083"]
    assert "# auth\n      ORDERS_URL" in after


def test_a_block_is_set_apart_as_its_neighbours_are() -> None:
    after = edited(STACK, ("add", ("services",), "orders", "image: orders\nports:\n  - 8083"))
    assert added_lines(STACK, after) == ["  orders:", "    image: orders", "    ports:", "      - 8083", ""]
    assert "depends_on:\n\n  orders:" in after
    assert "- 8083\n\n# The end.\n" in after


def test_a_value_with_a_final_newline_is_a_block_of_one_line() -> None:
    after = edited("a:\n  b: 1\nc: 2\n", ("add", ("a",), "d", "e: 3\n"))
    assert after == "a:\n  b: 1\n  d:\n    e: 3\nc: 2\n"


def test_items_of_flow_and_block_lists() -> None:
    after = edited(
        STACK,
        ("append", ("x-devenv", "canary", "services"), "orders"),
        ("append", ("services", "gateway", "ports"), '"8443:8443"'),
    )
    assert "    services: [gateway, auth, orders] # in this order\n" in after
    assert '    ports: ["8080:8080", "8443:8443"]\n' in after
    rows = edited("routes:\n  - prefix: /a\n    to: a\n", ("append", ("routes",), "prefix: /b\nto: b"))
    assert rows == "routes:\n  - prefix: /a\n    to: a\n  - prefix: /b\n    to: b\n"
    assert edited("a:\n- 1\nb: 2\n", ("append", ("a",), "2")) == "a:\n- 1\n- 2\nb: 2\n"


@pytest.mark.parametrize("nothing", ["", " {}", " # none yet"])
def test_the_first_entry_of_an_empty_mapping(nothing: str) -> None:
    after = edited(f"a:\n  b:{nothing}\nc: 1\n", ("add", ("a", "b"), "key", "value"))
    assert yaml.safe_load(after) == {"a": {"b": {"key": "value"}}, "c": 1}
    assert added_lines(f"a:\n  b:{nothing}\nc: 1\n".replace(" {}", ""), after) == ["    key: value"]


def test_the_first_item_of_an_empty_list() -> None:
    assert edited("a:\n  b: []\n", ("append", ("a", "b"), "x")) == "a:\n  b:\n    - x\n"


def test_values_are_replaced_where_they_stand() -> None:
    text = "build: { context: ../.., args: [a] } # here\nname: 'old'\nempty:\n"
    after = edited(text, ("replace", ("build", "context"), "."), ("replace", ("name",), "new"))
    assert after == "build: { context: ., args: [a] } # here\nname: new\nempty:\n"
    assert edited(text, ("replace", ("empty",), "1")).endswith("empty: 1\n")
    assert edited(text, ("replace", ("build",), "x")).startswith("build: x # here\n")


def test_files_without_a_final_newline_with_windows_ones_and_empty_ones() -> None:
    assert edited("a: 1", ("add", (), "b", "2")) == "a: 1\nb: 2"
    assert edited("a:\r\n  b: 1\r\nc: 2\r\n", ("add", ("a",), "d", "3")) == "a:\r\n  b: 1\r\n  d: 3\r\nc: 2\r\n"
    assert edited("# nothing\n", ("add", (), "b", "x: 1\ny: 2")) == "# nothing\nb:\n  x: 1\n  y: 2\n"


def test_what_follows_a_block_scalar() -> None:
    text = "a:\n  script: |\n    one\n\n    two\n\n\nb: 1\n"
    after = edited(text, ("add", ("a",), "next", "1"))
    assert after == "a:\n  script: |\n    one\n\n    two\n  next: 1\n\n\nb: 1\n"


@pytest.mark.parametrize(
    ("edit", "place", "found"),
    [
        (("add", ("services", "auth", "environment"), "A", "1"), "compose.yaml:16:18", "an alias, *tracing"),
        (("add", ("services",), "auth", "x"), "compose.yaml:15:3", "a scalar"),
        (("append", ("services",), "x"), "compose.yaml:8:3", "a mapping"),
        (("replace", ("services",), "x"), "compose.yaml:8:3", "a mapping"),
        (("replace", ("x-devenv", "canary"), "x"), "compose.yaml:3:11", "a mapping"),
        (("add", ("nowhere",), "a", "1"), "compose.yaml", ""),
    ],
)
def test_what_cannot_be_edited_is_refused_with_its_place(edit: tuple[object, ...], place: str, found: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        edited(STACK, edit)
    assert str(caught.value).startswith(f"{place}:")
    assert caught.value.details.get("found", "") == found


def test_a_mapping_in_braces_takes_one_line_only() -> None:
    assert edited("a: { b: 1 }\n", ("add", ("a",), "c", "2")) == "a: { b: 1, c: 2 }\n"
    with pytest.raises(ConfigurationError, match="cannot edit"):
        edited("a: { b: 1 }\n", ("add", ("a",), "c", "x: 1\ny: 2"))
    with pytest.raises(ConfigurationError, match="cannot edit"):
        edited("a: [1]\n", ("append", ("a",), "x: 1\ny: 2"))


def test_broken_yaml_is_named_with_its_place() -> None:
    with pytest.raises(ConfigurationError, match=r"compose\.yaml:3:1: not YAML"):
        YamlText("a: 1\nb: [\n", "compose.yaml")


def test_an_entry_goes_above_another_and_its_comments() -> None:
    new = edited(STACK, ("insert_before", ("services",), "auth", "queue", "# of ours\nimage: redis\nports: []"))
    added = ["  queue:", "    # of ours", "    image: redis", "    ports: []", ""]
    old = STACK.splitlines()
    at = old.index("  # comes second")
    assert new.splitlines() == [*old[:at], *added, *old[at:]]


@pytest.mark.parametrize(
    ("text", "path", "before", "key"),
    [
        ("a: 1\n", (), "b", "c"),
        ("a: 1\n", (), "a", "a"),
        ("{a: 1}\n", (), "a", "b"),
        ("a: [1]\n", ("a",), "x", "b"),
        ("- a: 1\n", (0,), "a", "b"),
    ],
)
def test_an_entry_that_cannot_go_above_another_is_refused(text: str, path: tuple, before: str, key: str) -> None:
    with pytest.raises(ConfigurationError):
        YamlText(text, "f").insert_before(path, before, key, "2")


@pytest.mark.parametrize(
    "text", ["web", "a/b:latest", "on", "No", "12", "1e3", "a: b", "# x", "", "null", "é", "a\nb", "~"]
)
def test_a_scalar_is_read_as_the_text_that_it_is_of(text: str) -> None:
    assert yaml.safe_load(f"k: {scalar(text)}") == {"k": text}


def test_a_scalar_is_quoted_only_where_it_has_to_be() -> None:
    assert [scalar(text) for text in ("shop-1", "shop:latest", "/a/b")] == ["shop-1", "shop:latest", "/a/b"]
