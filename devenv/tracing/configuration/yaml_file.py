"""Reads config.yaml as plain values with the line and column of every key and value.

YAML is read by the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema), so `on` and `22:22`
are strings. This module is imported only if there is a file: PyYAML is a tenth of what a program's start costs more.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from devenv.tracing.configuration.document import Document, Path_, Place
from devenv.tracing.errors import ConfigError

_DEEPEST = 64
_MOST_VALUES = 100_000


class _CoreLoader(yaml.SafeLoader):
    """A safe loader with the implicit types of YAML 1.2's core schema instead of 1.1's."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's protocol


_CoreLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_CoreLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_CoreLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")
)
_CoreLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+.0123456789"),
)
_CoreLoader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"^<<$"), ["<"])


def _core_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node)).lower()
    bases = {"0o": 8, "0x": 16}
    return int(text, bases.get(text[:2], 10))


_CoreLoader.add_constructor("tag:yaml.org,2002:int", _core_int)


def read(path: Path, substitute: Callable[[str], str] | None = None) -> Document:
    """Read a YAML file.

    Args:
        path: The file.
        substitute: Replaces references in the text of scalars, before their type is known; ValueError if one is wrong.

    Raises:
        ConfigError: If the file cannot be read, is not YAML, is not a mapping, or contains a key twice.
    """
    source = str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            source=source, key="", found=f"cannot read the file: {error}", expected="a readable file"
        ) from error
    loader = _CoreLoader(text)
    try:
        root = loader.get_single_node()
        document = Document(source, {}, substitute=substitute)
        if root is None:
            return document
        if not isinstance(root, yaml.MappingNode):
            mark = root.start_mark
            raise ConfigError(
                source=source,
                key="",
                found="the document is not a mapping",
                expected="a mapping",
                line=mark.line + 1,
                column=mark.column + 1,
            )
        document.values = _mapping(loader, root, (), document)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        found = f"not valid YAML: {error.problem or error.context}"
        raise ConfigError(source=source, key="", found=found, expected="YAML", line=line, column=column) from error
    except yaml.YAMLError as error:
        raise ConfigError(source=source, key="", found=f"not valid YAML: {error}", expected="YAML") from error
    finally:
        loader.dispose()
    return document


def _mapping(loader: _CoreLoader, node: yaml.MappingNode, path: Path_, document: Document) -> dict[str, Any]:
    own = {id(key) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"}
    loader.flatten_mapping(node)
    result: dict[str, Any] = {}
    written: set[str] = set()
    for key_node, value_node in node.value:
        key = str(loader.construct_object(key_node, deep=True))
        here = (*path, key)
        place = Place(key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        if key in written and id(key_node) in own:
            raise ConfigError(
                source=document.source,
                key=".".join(here),
                found="a duplicate key",
                expected="each key once",
                line=place.line,
                column=place.column,
            )
        if id(key_node) in own:
            written.add(key)
        document.keys[here] = place
        result[key] = _value(loader, value_node, here, document)
    return result


def _value(loader: _CoreLoader, node: yaml.Node, path: Path_, document: Document) -> Any:
    place = document.places[path] = Place(node.start_mark.line + 1, node.start_mark.column + 1)
    if len(path) > _DEEPEST or len(document.places) > _MOST_VALUES:  # aliases that contain themselves, or that multiply
        raise _fault(document, path, place, "values nested too deeply, or too many", f"at most {_DEEPEST} levels")
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node, path, document)
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item, (*path, str(index)), document) for index, item in enumerate(node.value)]
    if document.substitute is not None and isinstance(node, yaml.ScalarNode) and "$" in node.value:
        try:
            text = document.substitute(node.value)
        except ValueError as error:
            raise _fault(document, path, place, f"the reference {error}", "${NAME} or ${NAME:-default}") from error
        resolve: Any = loader.resolve  # untyped
        tag = resolve(yaml.ScalarNode, text, (True, False)) if node.style is None else node.tag
        node = yaml.ScalarNode(tag, text, node.start_mark, node.end_mark, node.style)
    return loader.construct_object(node, deep=True)


def _fault(document: Document, path: Path_, place: Place, found: str, expected: str) -> ConfigError:
    return ConfigError(
        source=document.source,
        key=".".join(path[:8]),
        found=found,
        expected=expected,
        line=place.line,
        column=place.column,
    )
