"""YAML by the 1.2 core schema: values, anchors and merge keys, and a separate message for each unreadable file."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from devenv.errors import StackFileError
from devenv.stack import load_stack
from devenv.stack.problems import Problems
from devenv.stack.yaml.nodes import MapNode, atom_text, plain
from devenv.stack.yaml.parser import parse


def values(text: str) -> object:
    problems = Problems()
    (node,) = parse(text, "f.yaml", problems)
    problems.check()
    return plain(node)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("22:22", "22:22"),
        ("1:30:00", "1:30:00"),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("No", "No"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("tRUE", "tRUE"),
        ("null", None),
        ("~", None),
        ("", None),
        ("nULL", "nULL"),
        ("0o17", 15),
        ("017", 17),
        ("0x1F", 31),
        ("-7", -7),
        ("+7", 7),
        ("0b1", "0b1"),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("1.2.3", "1.2.3"),
        ("-.inf", -math.inf),
        ("2001-12-14", "2001-12-14"),
        ("=", "="),
        ("<<", "<<"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 1", "1"),
        ('!!int "1"', 1),
        ("! 1", "1"),
        ("9" * 100, "9" * 100),
        ("|\n  a\n  b", "a\nb\n"),
        (">-\n  a\n  b", "a b"),
    ],
)
def test_core_schema(text, expected):
    assert values(f"v: {text}\n") == {"v": expected}


def test_not_a_number():
    found = values("v: .nan")
    assert isinstance(found, dict)
    assert math.isnan(found["v"])


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.0, "1"),
        (1.1, "1.1"),
        (100000.0, "100000"),
        (1000000.0, "1e+06"),
        (1000000.5, "1.0000005e+06"),
        (123456789.0, "1.23456789e+08"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1e21, "1e+21"),
        (12345.678, "12345.678"),
        (-2.5, "-2.5"),
        (0.0, "0"),
        (math.inf, "+Inf"),
        (math.nan, "NaN"),
        (True, "true"),
        (None, ""),
        (12, "12"),
    ],
)
def test_text_of_values_as_compose_prints_them(value, expected):
    """The floats are Go's own output for these values."""
    assert atom_text(value) == expected


def test_anchors_and_merge_keys():
    assert values("a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: *a, y: 3}\nd: {y: 4, <<: [*a, *b]}\n") == {
        "a": {"x": 1, "y": 1},
        "b": {"y": 2, "z": 2},
        "c": {"x": 1, "y": 3},
        "d": {"x": 1, "y": 4, "z": 2},
    }


def test_merge_key_in_quotes_is_a_key():
    assert values('"<<": 1') == {"<<": 1}


def test_nested_merge_and_redefined_anchor():
    assert values("a: &x {p: 1}\nb: &y {<<: *x, q: 2}\nc: {<<: *y}\nd: &x {r: 3}\ne: *x") == {
        "a": {"p": 1},
        "b": {"p": 1, "q": 2},
        "c": {"p": 1, "q": 2},
        "d": {"r": 3},
        "e": {"r": 3},
    }


def test_alias_of_a_scalar_as_a_key():
    assert values("a: &k key\n*k : 1") == {"a": "key", "key": 1}


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("services:\n\ta:\n", "2:1", "a tab in the indentation"),
        ("services:\n  a:\n  \timage: x\n", "3:3", "a tab in the indentation"),
        ("a:\n  b: 1\n c: 2\n", "3:2", "not YAML: bad indentation, or text after the end of a value"),
        ("a: b: c\n", "1:5", "not YAML: bad indentation, or a second ': ' in the line"),
        ("a: [1,\n  2\nb: 3\n", "3:2", "not YAML: a [list] or {mapping} in brackets is not closed"),
        ("a: 'open\n", "1:4", "not YAML: unclosed quote"),
        ("a: *b\n", "1:4", "alias *b has no anchor &b before it"),
        ("a: &b [*b]\n", "1:8", "alias *b refers to the value that contains it"),
        ("a: &\n", "1:5", "not YAML: an anchor or alias without a name"),
        ("a: @b\n", "1:4", "not YAML: a character that cannot start a value"),
        ('a: "\\q"\n', "1:5", "not YAML: an unknown escape sequence in double quotes"),
        ("a: !e!x 1\n", "1:4", "not YAML: an undefined tag handle"),
        ("? [a]\n: b\n", "1:3", "a key must be a string"),
        ("a: !mine 1\n", "1:4", "unknown tag !mine"),
        ("a: 1\nb: 2\na: 3\n", "3:1", "duplicate key 'a': first used in line 1"),
        ("a: {<<: 1}\n", "1:9", "the value of a merge key must be a mapping or a list of mappings"),
        ("a: {<<: {}, <<: {}}\n", "1:13", "duplicate key '<<': first used in line 1"),
    ],
)
def test_unreadable_yaml(tmp_path, text, place, message):
    path = tmp_path / "compose.yaml"
    path.write_text(text)
    with pytest.raises(StackFileError) as caught:
        load_stack([path], environ={})
    assert caught.value.message == f"{path}:{place}: {message}"


def test_depth_is_bounded():
    with pytest.raises(StackFileError, match=r"f\.yaml:1:.*nested more than 50 levels deep"):
        values("[" * 100_000)


def test_expansion_is_bounded():
    lines = ["a0: &a0 [x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(StackFileError, match="expands to more than 50000 values"):
        values("\n".join(lines))


def test_expansion_by_merge_keys_is_bounded():
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{i}: &a{i} {{l: *a{i - 1}, r: *a{i - 1}, <<: *a{i - 1}}}" for i in range(1, 40)]
    with pytest.raises(StackFileError, match="expands to more than"):
        values("\n".join(lines))


@pytest.mark.parametrize(
    ("data", "place", "message"),
    [
        (b"", ":1:1", "the file is empty"),
        (b"# nothing\n", ":1:1", "the file is empty"),
        (b"\x7fELF\x00\x01", "", "a binary file"),
        (b"a: \xff\xfe", ":1:4", "byte 0xff is not UTF-8"),
        (b"a: 1\r\nb: \xe4\n", ":2:4", "byte 0xe4 is not UTF-8"),
        ("a: 1".encode("utf-16"), "", "encoded as UTF-16"),
        (b"a: 1\nb: \x07\n", ":2:4", "invalid character U+0007"),
        ("a: b\n c: \u2028\n".encode(), ":2:5", "invalid character U+2028"),
        (b"#" * (8 << 20) + b"##", "", "larger than 8 MiB: not a stack file"),
    ],
)
def test_unreadable_bytes(tmp_path, data, place, message):
    path = tmp_path / "compose.yaml"
    path.write_bytes(data)
    with pytest.raises(StackFileError) as caught:
        load_stack([path], environ={})
    assert caught.value.message == f"{path}{place}: {message}"


@pytest.mark.parametrize("data", [b"\xef\xbb\xbfservices: {a: {image: x}}", b"services:\r\n  a:\r\n    image: x\r\n"])
def test_byte_order_mark_and_windows_line_ends(tmp_path, data):
    path = tmp_path / "compose.yaml"
    path.write_bytes(data)
    assert load_stack([path], environ={}).services["a"].image == "x"


def test_places_count_windows_line_ends_once(tmp_path):
    path = tmp_path / "compose.yaml"
    path.write_bytes(b"services:\r\n  a:\r\n    image: x\r\n    tty: 3\r\n")
    with pytest.raises(StackFileError, match=":4:10: "):
        load_stack([path], environ={})


def test_missing_file(tmp_path):
    with pytest.raises(StackFileError, match=r"no\.yaml: no such file") as caught:
        load_stack([tmp_path / "no.yaml"], environ={})
    assert caught.value.hint


def test_directory(tmp_path):
    with pytest.raises(StackFileError, match="this is a directory, not a file"):
        load_stack([tmp_path], environ={})


AS_ANOTHER_USER = """
import os, sys
from pathlib import Path
from devenv.errors import DevenvError
from devenv.model.extension import StackExtension
from devenv.stack import discover
from devenv.stack.assembly import load
StackExtension()  # pydantic loads the rest of itself, which the other user may be unable to read
if os.getuid() == 0:
    os.setuid(65534)
folder, name, mode = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
try:
    load([folder / name], environ={}) if mode == "load" else discover(folder)
except DevenvError as error:
    print(error.message)
"""


@pytest.mark.parametrize(
    ("locked", "mode", "message"),
    [
        ("compose.yaml", "load", "{folder}/compose.yaml: no permission to read this file"),
        ("", "load", "{folder}/compose.yaml: no permission to read this file"),
        (".env", "load", "{folder}/.env: no permission to read this file"),
        ("e.env", "load", "{folder}/compose.yaml:1:37: env_file e.env: no permission to read this file"),
        ("", "discover", "{folder}: no permission to read this directory"),
        ("stacks", "discover", "{folder}/stacks: no permission to read this directory"),
    ],
)
def test_no_permission(locked, mode, message):
    """As another user where the tests run as root, who may read everything."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "compose.yaml").write_text("services: {a: {image: x, env_file: [e.env]}}")
        (folder / "e.env").write_text("A=1")
        (folder / ".env").write_text("A=1")
        if locked == "stacks":
            (folder / "compose.yaml").unlink()
            (folder / "stacks").mkdir()
        (folder / locked).chmod(0)
        command = [sys.executable, "-c", AS_ANOTHER_USER, name, "compose.yaml", mode]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/usr")
        folder.chmod(0o755)
        (folder / locked).chmod(0o755)
    assert result.stdout.strip() == message.format(folder=folder), result.stderr


def test_path_with_a_null_byte():
    with pytest.raises(StackFileError, match="cannot read the file"):
        load_stack([Path("a\0b")], environ={})


def test_nodes_know_their_places():
    (node,) = parse("a:\n  b: [x, {c: y}]\n", "f.yaml", Problems())
    assert isinstance(node, MapNode)
    inner = node.entries["a"].node.entries["b"].node.items[1].entries["c"]
    assert (str(inner.key_place), str(inner.node.place)) == ("f.yaml:2:11", "f.yaml:2:14")
