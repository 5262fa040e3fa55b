"""docs/configuration.md against the code, in both directions: the library's keys, `x-devenv`, and `DEVENV_*`.

`python tests/contract/test_docs_configuration.py` prints the library's table as the page has to have it.
"""

from __future__ import annotations

import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from pydantic import BaseModel

from devenv.cli.main import app
from devenv.model.extension import Request, Scenario, ServiceExtension, StackExtension
from devenv.tracing.settings import KEYS, PROFILES, Key, Settings

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
KINDS = {"str": "text", "bool": "true, false", "int": "whole number", "float": "number", "list": "list", "map": "map"}


def rows(heading: str) -> list[str]:
    """The rows of the first table below a heading."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(heading)}$.*?\n\|[- |]+\|\n((?:\|[^\n]*\n)+)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no table below '## {heading}'"
    return found[1].splitlines()


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split(" | ")]


def code(text: str) -> str:
    return f"`{text}`"


def shown(value: Any) -> str:
    """A default as it is written in YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, dict):
        return "{}"
    return f"{value:g}" if isinstance(value, float) else str(value) or '""'


def allowed(key: Key) -> str:
    if key.choices:
        return ", ".join(map(code, key.choices))
    words = KINDS[key.kind]
    if key.maximum is not None:
        words += f" {key.minimum:g} to {key.maximum:g}"
    elif key.minimum is not None:
        words += f" ≥ {key.minimum:g}"
    return words + (", null" if key.optional else "")


def settings_rows() -> list[str]:
    defaults = Settings()
    found = []
    for name, key in KEYS.items():
        variables = ", ".join(map(code, key.variables)) or "none"
        default = code(shown(getattr(defaults, name)))
        found.append(f"| {code(key.path)} | {default} | {variables} | {allowed(key)} | {key.doc} |")
    return found


def test_the_librarys_keys_are_those_of_its_table() -> None:
    assert rows("Keys of the tracing library") == settings_rows()


def test_the_profiles_are_those_of_the_code() -> None:
    documented = {cells(row)[0].strip("`"): cells(row)[1] for row in rows("Profiles")}
    assert documented == {
        name: ", ".join(f"`{key}: {shown(value)}`" for key, value in values.items())
        for name, values in PROFILES.items()
    }


def keys_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Dotted key and default of each value below a model; a scenario's are those of a request and its own."""
    inherited = set(Request.model_fields) if model is Scenario else set()
    for name, info in model.model_fields.items():
        if name in inherited:
            continue
        below, many = models_in(info.annotation)
        short = any(typing.get_args(each)[:1] == (float,) for each in typing.get_args(info.annotation))
        if below is not None:
            if short and not many:  # a number, or a mapping
                yield f"{prefix}{name}", shown(info.get_default())
            yield from keys_of(below, f"{prefix}{name}.{'NAME.' if many else ''}")
        else:
            yield (
                f"{prefix}{name}",
                "required" if info.is_required() else shown(info.get_default(call_default_factory=True)),
            )


def models_in(annotation: Any) -> tuple[type[BaseModel] | None, bool]:
    """The model that a field holds, and whether it holds several by name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    many = typing.get_origin(annotation) is dict
    for argument in typing.get_args(annotation):
        found, inner = models_in(argument)
        if found is not None:
            return found, many or inner
    return None, False


def documented_keys(heading: str) -> dict[str, str]:
    return {cells(row)[0].strip("`"): cells(row)[1].strip("`") for row in rows(heading)}


def test_x_devenv_of_the_stack_is_as_documented() -> None:
    assert documented_keys("`x-devenv` at the top level") == dict(keys_of(StackExtension))


def test_x_devenv_of_a_service_is_as_documented() -> None:
    assert documented_keys("`x-devenv` in a service") == dict(keys_of(ServiceExtension))


def test_variables_of_the_command_line_are_as_documented() -> None:
    found: dict[str, set[str]] = {}

    def walk(command: Any) -> None:
        for parameter in command.params:
            if parameter.envvar:
                found.setdefault(str(parameter.envvar), set()).add(max(parameter.opts, key=len))
        for below in getattr(command, "commands", {}).values():
            walk(below)

    walk(typer.main.get_command(app))
    documented = {cells(row)[0].strip("`"): {cells(row)[1].strip("`")} for row in rows("Variables of the command line")}
    assert documented == found


if __name__ == "__main__":
    sys.stdout.write("\n".join(settings_rows()) + "\n")
