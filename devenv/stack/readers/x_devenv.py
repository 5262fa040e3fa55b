"""Validates ``x-devenv`` with its pydantic models and finds the place of each error in the file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from devenv.errors import Location
from devenv.model.extension import Strict
from devenv.stack.problems import Problem
from devenv.stack.readers.cursor import Cursor
from devenv.stack.yaml.nodes import Entry, ListNode, MapNode, Node, describe, plain
from devenv.suggestions import suggest

_MAPPING = re.compile(r"a valid dictionary( or instance of \w+)?")
Extension = TypeVar("Extension", bound=Strict)


def read_extension(member: Cursor | None, model: type[Extension]) -> Extension:
    """Return ``x-devenv`` as ``model``, or the model's defaults if it is absent or wrong."""
    if member is None:
        return model()
    if not isinstance(member.node, MapNode):
        member.wrong("a mapping")
        return model()
    try:
        return model.model_validate(plain(member.node))
    except ValidationError as error:
        for problem in _problems(member, model, error.errors(include_url=False, include_input=False)):
            if problem not in member.problems.found:
                member.problems.found.append(problem)
        return model()


def places(member: Cursor | None, key: str) -> dict[str, Location]:
    """Return the places of the keys in the mapping ``key`` of ``x-devenv``; empty if it is absent or no mapping."""
    found = member.node.get(key) if member is not None and isinstance(member.node, MapNode) else None
    entries = found.entries if isinstance(found, MapNode) else {}
    return {name: entry.key_place for name, entry in entries.items()}


def _problems(member: Cursor, model: type[BaseModel], errors: Iterable[Any]) -> list[Problem]:
    """One problem for each wrong value; the errors of a union's branches become one problem."""
    by_place: dict[tuple[str, bool], list[Problem]] = {}
    for details in errors:
        problem = _problem(member, model, details)
        by_place.setdefault((problem.key, details["type"] == "extra_forbidden"), []).append(problem)
    deepest = [key for key, _ in by_place]
    return [
        _together(problems)
        for (key, is_extra), problems in by_place.items()
        if is_extra or not any(other.startswith((f"{key}.", f"{key}[")) for other in deepest)
    ]


def _together(problems: list[Problem]) -> Problem:
    first = problems[0]
    if len(problems) == 1:
        return first
    expected = " or ".join(dict.fromkeys(problem.expected for problem in problems))
    return replace(first, message=f"{first.key} must be {expected}, found {first.found}", expected=expected)


def _problem(member: Cursor, model: type[BaseModel], details: Any) -> Problem:
    """The problem of one pydantic error."""
    entry, key, parent = _descend(member, details["loc"])
    last = str(details["loc"][-1]) if details["loc"] else ""
    if details["type"] == "extra_forbidden":
        known = _known_keys(model, details["loc"][:-1])
        return Problem(
            message=f"unknown key {last!r} in {parent}",
            location=entry.key_place,
            key=key,
            found=last,
            expected=", ".join(known),
            hint=suggest(last, known),
        )
    if details["type"] == "missing":
        return Problem(message=f"{key} requires {last}", location=entry.node.place, key=key, expected=last)
    message = str(details["msg"]).removeprefix("Value error, ").partition(", unable to parse")[0]
    message = _MAPPING.sub("a mapping", message)
    subject = message.split(" ")[0]
    named = _child(entry.node, subject)  # the message of a mapping's check starts with the key that is wrong
    if named is not None:
        return Problem(
            message=f"{key}.{message}", location=named.node.place, key=f"{key}.{subject}", found=describe(named.node)
        )
    expected = _expectation(message)
    allowed = [part.strip("'") for part in str(details.get("ctx", {}).get("expected", "")).split(" or ")]
    return Problem(
        message=f"{key} must {expected}, found {describe(entry.node)}",
        location=entry.node.place,
        key=key,
        found=describe(entry.node),
        expected=expected.removeprefix("be "),
        hint=suggest(str(plain(entry.node)), allowed),
    )


def _expectation(message: str) -> str:
    """What a value must be, as the words after "must"."""
    for start, words in (("Input should be ", "be "), ("String should match pattern ", "match ")):
        if message.startswith(start):
            return words + message.removeprefix(start)
    return f"be {message}" if message.startswith(("a ", "one of ")) else f"be valid: {message}"


def _descend(member: Cursor, path: Iterable[str | int]) -> tuple[Entry, str, str]:
    """The deepest entry on ``path``, its key and its parent's; steps that name a union's branch are skipped."""
    entry = Entry(key_place=member.node.place, node=member.node)
    key = parent = member.key
    for step in path:
        child = _child(entry.node, step)
        if child is None:
            continue
        entry, parent = child, key
        key = f"{key}[{step}]" if isinstance(step, int) else f"{key}.{step}"
    return entry, key, parent


def _child(node: Node, step: str | int) -> Entry | None:
    if isinstance(node, MapNode):
        return node.entries.get(str(step))
    if isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
        return Entry(key_place=node.items[step].place, node=node.items[step])
    return None


def _known_keys(model: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """Keys of the model at ``path`` in ``model``."""
    current: Any = model
    for step in path:
        if isinstance(current, type) and issubclass(current, BaseModel):
            field = current.model_fields.get(str(step))
            current = (_model_in(field.annotation) or current) if field else current
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    """The model in an annotation such as ``dict[str, Scenario]`` or ``Ready | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for argument in get_args(annotation) if (found := _model_in(argument)) is not None), None)
