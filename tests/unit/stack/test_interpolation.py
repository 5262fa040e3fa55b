"""Interpolation by the Compose Spec, and the exact place of what fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from devenv.errors import Location, StackFileError
from devenv.stack import load_stack
from devenv.stack.env.interpolation import TemplateError, Variable, substitute

VALUES = {"SET": "value", "EMPTY": "", "OTHER": "other", "_x1": "under"}


def lookup(name: str) -> Variable | None:
    return Variable(VALUES[name], "the environment") if name in VALUES else None


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("$SET", "value"),
        ("${SET}", "value"),
        ("$SET.x", "value.x"),
        ("$SETx", ""),
        ("${_x1}$_x1", "underunder"),
        ("$UNSET", ""),
        ("${UNSET}", ""),
        ("${UNSET:-d}", "d"),
        ("${UNSET-d}", "d"),
        ("${EMPTY:-d}", "d"),
        ("${EMPTY-d}", ""),
        ("${SET:-d}${SET-d}", "valuevalue"),
        ("${SET:?e}${SET?e}", "valuevalue"),
        ("${EMPTY?e}", ""),
        ("${SET:+r}${SET+r}", "rr"),
        ("${EMPTY:+r}", ""),
        ("${EMPTY+r}", "r"),
        ("${UNSET:+r}${UNSET+r}", ""),
        ("${UNSET:-}", ""),
        ("${UNSET:-${EMPTY:-${SET}}}", "value"),
        ("${UNSET:-$SET-$OTHER}", "value-other"),
        ("${SET:+${OTHER}}", "other"),
        ("${SET:-${UNSET:?never asked for}}", "value"),
        ("${UNSET:-{}}", "{}"),
        ('${UNSET:-{"a":{"b":1}}}!', '{"a":{"b":1}}!'),
        ("${UNSET:-a:b-c?d+e}", "a:b-c?d+e"),
        ("${UNSET:-:-}", ":-"),
        ("$$", "$"),
        ("$$SET", "$SET"),
        ("$$$SET", "$value"),
        ("$${SET}", "${SET}"),
        ("${UNSET:-$$}", "$"),
        ("$", "$"),
        ("$ SET", "$ SET"),
        ("$5", "$5"),
        ("a$", "a$"),
        ("$-", "$-"),
        ("}{", "}{"),
        ("${UNSET:-two\nlines}", "two\nlines"),
        ("ä$SETö", "ä" + "valueö"),
    ],
)
def test_substitution(template, expected):
    assert substitute(template, lookup).text == expected


@pytest.mark.parametrize(
    ("template", "offset", "message"),
    [
        ("${", 0, "unclosed"),
        ("a ${SET", 2, "unclosed"),
        ("${SET:-${OTHER}", 0, "unclosed"),
        ("${}", 0, "without a variable name"),
        ("${ SET}", 0, "without a variable name"),
        ("${1}", 0, "without a variable name"),
        ("${SET!}", 0, "unknown operator after SET"),
        ("${SET:}", 0, "unknown operator after SET"),
        ("${SET }", 0, "unknown operator after SET"),
        ("$SET ${UNSET:?please}", 5, "required variable UNSET is not set: please"),
        ("${EMPTY:?please $SET}", 0, "required variable EMPTY is empty: please value"),
        ("${UNSET?}", 0, "required variable UNSET is not set"),
        ("${UNSET:-${OTHER}${EMPTY:?x}}", 17, "required variable EMPTY is empty: x"),
    ],
)
def test_template_error(template, offset, message):
    with pytest.raises(TemplateError) as caught:
        substitute(template, lookup)
    assert caught.value.offset == offset
    assert message in caught.value.message


def test_uses_say_what_was_asked_for():
    uses = substitute("$SET${UNSET:-$OTHER}$UNSET", lookup).uses
    assert [(use.name, use.offset, use.variable is not None, use.defaulted) for use in uses] == [
        ("SET", 0, True, False),
        ("UNSET", 4, False, True),
        ("OTHER", 13, True, False),
        ("UNSET", 20, False, False),
    ]


def failing_place(tmp_path: Path, text: str) -> Location:
    path = tmp_path / "compose.yaml"
    path.write_text(text)
    with pytest.raises(StackFileError) as caught:
        load_stack([path], environ={"SET": "value"})
    assert caught.value.location is not None
    return caught.value.location


@pytest.mark.parametrize(
    ("value", "line", "column"),
    [
        ("x ${BAD?}", 3, 14),
        ("'x ${BAD?}'", 3, 15),
        ('"x ${BAD?}"', 3, 15),
        ('"\\t\\n ${BAD?}"', 3, 18),
        ("'it''s ${BAD?}'", 3, 19),
        ("$SET $$ ${BAD?}", 3, 20),
        ("|\n      one $SET\n      two ${BAD?}", 5, 11),
        ("|- # $5 a comment\n      one\n      ${BAD?}", 5, 7),
        (">\n      folded\n      two $$ $SET ${BAD?}", 5, 19),
        ('"two\n      lines ${BAD?}"', 4, 13),
    ],
)
def test_place_of_a_failing_variable(tmp_path, value, line, column):
    place = failing_place(tmp_path, f"services:\n  a:\n    image: {value}\n")
    assert (place.line, place.column) == (line, column)


def test_keys_are_not_interpolated(tmp_path):
    path = tmp_path / "compose.yaml"
    path.write_text("services: {a: {image: x, labels: {$SET: $SET}}}")
    assert load_stack([path], environ={"SET": "value"}).services["a"].labels == {"$SET": "value"}


def test_interpolated_text_stands_for_numbers_and_truth_values(tmp_path):
    path = tmp_path / "compose.yaml"
    path.write_text(
        "services: {a: {image: x, tty: $T, scale: $N, shm_size: '$M', healthcheck: {retries: '$N', test: x}}}"
    )
    service = load_stack([path], environ={"T": "true", "N": "2", "M": "1m"}).services["a"]
    assert (service.tty, service.replicas, service.shm_size, service.healthcheck.retries) == (True, 2, 1 << 20, 2)


def test_user_sections_are_interpolated_too(tmp_path):
    assert failing_place(tmp_path, "x-mine: ${BAD?}\nservices: {a: {image: x}}\n").column == 9
