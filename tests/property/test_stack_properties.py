"""Properties of stack loading: nothing but its own errors, places inside of the files, merging and writing back."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from devenv.errors import ConfigurationError, StackFileError
from devenv.stack import load_stack
from devenv.stack.dump import dump, yaml_text
from devenv.stack.env.dotenv import read_dotenv
from devenv.stack.env.interpolation import TemplateError, Variable, substitute
from devenv.stack.loader import stack_origins
from devenv.stack.problems import Problems
from devenv.stack.readers import keys

EXAMPLES = int(os.environ.get("DEVENV_STACK_EXAMPLES", "50"))
quick = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SAMPLE = (Path(__file__).parents[1] / "fixtures" / "compose" / "everything" / "compose.yaml").read_text()


@contextmanager
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def try_loading(folder: Path, data: bytes) -> StackFileError | None:
    """Loads ``data``; only a stack file's error may come out, with places that exist."""
    path = folder / "compose.yaml"
    path.write_bytes(data)
    try:
        stack = load_stack([path], environ={"HOME": "/home/x"}, profiles=["*"])
    except StackFileError as error:
        for one in (error, *error.others):
            check_place(one, data)
        return error
    yaml_text(dump(stack))
    return None


def check_place(error: ConfigurationError, data: bytes) -> None:
    assert error.location is not None
    if not error.location.file.endswith("compose.yaml") or error.location.line == 0:
        return
    lines = data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    assert 1 <= error.location.line <= len(lines)
    assert 1 <= error.location.column <= len(lines[error.location.line - 1]) + 1


# --- whatever is in the file ------------------------------------------------------------------------------------------

PIECES = [
    "services:",
    "a:",
    "  ",
    "\n",
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "&x ",
    "*x",
    "<<: ",
    "!reset ",
    "'",
    '"',
    "|",
    ">",
    "#",
]
PIECES += [
    "${A}",
    "${A:-",
    "${A:?",
    "$",
    "\t",
    "? ",
    ",",
    "image: x",
    "ports: ",
    "80:80",
    "---\n",
    "...\n",
    "%",
    "@",
    "\ufeff",
]


@quick
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_give_a_stack_or_its_errors(data):
    with directory() as folder:
        try_loading(folder, data)


@quick
@given(st.lists(st.sampled_from(PIECES), max_size=40).map("".join))
def test_any_mixture_of_yaml_s_pieces_gives_a_stack_or_its_errors(text):
    with directory() as folder:
        try_loading(folder, text.encode())


@quick
@given(st.data())
def test_a_damaged_file_gives_a_stack_or_its_errors(data):
    start = data.draw(st.integers(0, len(SAMPLE)))
    end = data.draw(st.integers(start, min(len(SAMPLE), start + 30)))
    piece = data.draw(st.one_of(st.just(""), st.sampled_from(PIECES), st.text(max_size=5)))
    with directory() as folder:
        (folder / "e.env").write_text("A=1")
        try_loading(folder, (SAMPLE[:start] + piece + SAMPLE[end:]).encode("utf-8", "replace"))


# --- any value of any key ---------------------------------------------------------------------------------------------

TEXTS = [
    "",
    "x",
    "a",
    "b",
    "80:80",
    "80-90",
    "80",
    "1-2:3-4",
    "[::1]:1:2",
    "./a:/b",
    "v:/v:ro",
    "A=1",
    "A",
    "on-failure:3",
    "service:a",
]
TEXTS += [
    "1s",
    "1m",
    "64m",
    "CMD",
    "CMD-SHELL",
    "NONE",
    "no",
    "true",
    "yes",
    "$A",
    "${A",
    "a=1.1.1.1",
    "\0",
    "é",
    "=",
    ":",
    "/",
    "0440",
]
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.sampled_from(TEXTS), st.text(max_size=5))
NAMES = [
    "a",
    "b",
    "source",
    "target",
    "type",
    "published",
    "protocol",
    "path",
    "condition",
    "required",
    "soft",
    "hard",
    "limits",
]
NAMES += [
    "resources",
    "replicas",
    "cpus",
    "memory",
    "driver",
    "options",
    "test",
    "interval",
    "http",
    "tcp",
    "timeout",
    "command",
]
NAMES += [
    "config",
    "subnet",
    "ipam",
    "external",
    "name",
    "file",
    "content",
    "environment",
    "context",
    "args",
    "aliases",
    "mode",
]
NAMES += [
    "entrypoint",
    "canary",
    "load",
    "scenarios",
    "slo",
    "jaeger",
    "services",
    "headers",
    "default",
    "body",
    "bind",
    "tmpfs",
]
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(NAMES), st.text(max_size=3)), inner, max_size=3),
    ),
    max_leaves=8,
)
SERVICES = st.dictionaries(
    st.one_of(st.sampled_from([*keys.SERVICE, *keys.SERVICE, "x-devenv", *keys.SERVICE_REFUSED]), st.text(max_size=3)),
    VALUES,
    max_size=6,
)
DOCUMENTS = st.fixed_dictionaries(
    {"services": st.one_of(st.dictionaries(st.sampled_from("ab"), st.one_of(SERVICES, VALUES), max_size=2), VALUES)},
    optional={name: VALUES for name in (*keys.TOP, "x-devenv", "x-mine") if name != "services"},
)


@quick
@given(DOCUMENTS)
def test_any_values_give_a_stack_or_its_errors(document):
    with directory() as folder:
        try_loading(folder, json.dumps(document).encode())


@quick
@given(DOCUMENTS, DOCUMENTS)
def test_any_two_files_give_a_stack_or_their_errors(one, other):
    with directory() as folder:
        files = [folder / "a.yaml", folder / "b.yaml"]
        for path, document in zip(files, (one, other), strict=True):
            path.write_text(json.dumps(document))
        found: list[StackFileError] = []
        try:
            load_stack(files, environ={})
        except StackFileError as error:
            found = [error, *error.others]
        assert all(error.location is not None for error in found)


# --- interpolation against a separate model ---------------------------------------------------------------------------

VARIABLES = {"SET": "value", "EMPTY": "", "Q": "${SET}$"}
PLAIN = st.text(alphabet="ab-:?+ .$", max_size=4).map(lambda text: text.replace("$", "$$"))


def rendered(parts: list[Any]) -> str:
    return "".join(text for text, _ in parts)


def meant(parts: list[Any]) -> str:
    return "".join(meaning for _, meaning in parts)


def expression(inner: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[tuple[str, str]]:
    """Pairs of an expression's text and what it stands for, by the Spec's table."""

    def build(name: str, operator: str, parts: list[Any]) -> tuple[str, str]:
        value = VARIABLES.get(name)
        present = bool(value) if operator.startswith(":") else value is not None
        if operator == "":
            return "${" + name + "}", value or ""
        if operator.endswith("-"):
            return "${" + name + operator + rendered(parts) + "}", (value or "") if present else meant(parts)
        return "${" + name + operator + rendered(parts) + "}", meant(parts) if present else ""

    return st.builds(build, st.sampled_from([*VARIABLES, "UNSET"]), st.sampled_from(["", "-", ":-", "+", ":+"]), inner)


LITERALS = PLAIN.map(lambda text: (text, text.replace("$$", "$")))
TEMPLATES = st.recursive(
    st.lists(LITERALS, max_size=2),
    lambda inner: st.lists(st.one_of(LITERALS, expression(inner)), max_size=4),
    max_leaves=8,
)


def lookup(name: str) -> Variable | None:
    return Variable(VARIABLES[name], "here") if name in VARIABLES else None


@settings(max_examples=EXAMPLES * 3, deadline=None)
@given(TEMPLATES)
def test_interpolation_means_what_the_model_says(parts):
    assert substitute(rendered(parts), lookup).text == meant(parts)


@settings(max_examples=EXAMPLES * 3, deadline=None)
@given(st.one_of(st.text(max_size=30), st.text(alphabet="${}:-?+SETa ", max_size=20)))
def test_any_template_gives_text_or_its_error(template):
    failed: TemplateError | None = None
    try:
        result = substitute(template, lookup)
    except TemplateError as error:
        failed = error
    if failed is not None:
        assert template[failed.offset] == "$"
        return
    assert all(template[use.offset] == "$" for use in result.uses)
    if "$" not in template:
        assert result.text == template


@quick
@given(st.text(alphabet="AB=:'\"\\$#{}\n \tx-é", max_size=40), st.booleans())
def test_any_dotenv_gives_variables_or_its_error(text, raw):
    with directory() as folder:
        path = folder / "values.env"
        path.write_text(text)
        problems = Problems()
        found = read_dotenv(path, lookup, problems, raw=raw)
        assert all("\n" not in name for name in found)
        lines = text.split("\n")
        for problem in problems.found:
            assert problem.location is not None
            assert 1 <= problem.location.column <= len(lines[problem.location.line - 1]) + 1


@quick
@given(
    st.dictionaries(
        st.from_regex(r"[A-Z_][A-Z0-9_]{0,4}", fullmatch=True), st.text(alphabet="a'\"\\$# \n=é", max_size=8)
    )
)
def test_a_written_dotenv_reads_back(values):
    """Quoted by hand: double quotes with the escapes that the format has."""
    table = {"\\": "\\\\", '"': '\\"', "$": "\\$", "\n": "\\n"}
    lines = [f'{name}="{"".join(table.get(c, c) for c in value)}"' for name, value in values.items()]
    with directory() as folder:
        path = folder / "values.env"
        path.write_text("\n".join(lines))
        problems = Problems()
        found = read_dotenv(path, lambda _: None, problems)
        problems.check()
        assert {name: variable.value for name, variable in found.items()} == values


# --- stacks that are right --------------------------------------------------------------------------------------------

WORDS = st.text(alphabet="abc$ '\"#:{}é1", min_size=1, max_size=6).map(lambda text: text.replace("$", "$$"))
PAIRS = st.dictionaries(
    st.sampled_from(["A", "B", "C"]), st.one_of(WORDS, st.integers(-9, 99), st.booleans()), max_size=3
)
PORT = st.integers(1, 65535)
GOOD_SERVICE = st.fixed_dictionaries(
    {"image": st.sampled_from(["x", "y:1"])},
    optional={
        "command": st.one_of(WORDS.filter(lambda w: not set("'\"") & set(w)), st.lists(WORDS, max_size=3)),
        "environment": PAIRS,
        "labels": PAIRS,
        "expose": st.lists(PORT, max_size=2),
        "ports": st.lists(PORT, max_size=2, unique=True),
        "volumes": st.lists(st.sampled_from(["/x", "v:/y", "./d:/z:ro"]), max_size=2, unique=True),
        "cap_add": st.lists(st.sampled_from("AB"), max_size=2, unique=True),
        "stop_grace_period": st.sampled_from(["1s", "1m30s", "250ms", "0.25s"]),
        "healthcheck": st.fixed_dictionaries(
            {"test": st.lists(WORDS, min_size=1, max_size=2).map(lambda w: ["CMD", *w])}
        ),
        "restart": st.sampled_from(["no", "always", "on-failure:2"]),
        "deploy": st.fixed_dictionaries({}, optional={"replicas": st.integers(0, 3)}),
        "tty": st.booleans(),
        "x-devenv": st.fixed_dictionaries({"instrument": st.booleans()}),
    },
)
GOOD = st.dictionaries(st.sampled_from("abc"), GOOD_SERVICE, min_size=1, max_size=3).map(
    lambda services: {"name": "p", "services": services, "volumes": {"v": {}}}
)


@quick
@given(GOOD)
@example({"name": "p", "services": {"a": {"image": "x", "command": []}}, "volumes": {}})
def test_a_stack_is_the_same_written_merged_with_itself_and_with_nothing(document):
    with directory() as folder:
        path, written, nothing = folder / "compose.yaml", folder / "written.yaml", folder / "nothing.yaml"
        path.write_text(json.dumps(document))
        nothing.write_text("services: {}")
        stack = load_stack([path], environ={})
        written.write_text(yaml_text(dump(stack)))
        assert dump(load_stack([written], environ={})) == dump(stack)
        assert load_stack([path, path], environ={}).services == stack.services
        assert load_stack([path, nothing], environ={}).services == stack.services
        assert all(stack_origins([path], environ={}).values())
