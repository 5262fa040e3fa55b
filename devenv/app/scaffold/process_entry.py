"""``x-devenv.process`` as an entry of a stack file, for services for which it could be derived."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from devenv.errors import ConfigurationError
from devenv.stack.edit import YamlText, scalar

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devenv.model.extension import Process
    from devenv.model.stack import Stack

KEY = "x-devenv"


def process_entry(process: Process) -> str | None:
    """Return the value of ``x-devenv`` in one line; ``None`` if it would name a path of this machine.

    Args:
        process: as derived.
    """
    words = process.command.split() if isinstance(process.command, str) else process.command
    if any(Path(text).is_absolute() and Path(text).exists() for text in (*words, *process.env.values())):
        return None
    parts = [f"command: [{', '.join(_text(word) for word in words)}]"]
    if process.cwd != ".":
        parts.append(f"cwd: {_text(process.cwd)}")
    if process.env:
        parts.append(f"env: {{ {', '.join(f'{name}: {_text(value)}' for name, value in process.env.items())} }}")
    parts.append(f"port_env: {process.port_env}")
    if process.same_port:
        parts.append("same_port: true")
    return f"{{ process: {{ {', '.join(parts)} }} }}"


def with_processes(text: str, file: Path, stack: Stack, entries: Mapping[str, str]) -> str:
    """Return ``text`` with an entry in each service that has no ``x-devenv`` and is written as a block.

    Args:
        text: of ``file``.
        file: the stack file; services of other files are left as they are.
        stack: as resolved.
        entries: values of ``x-devenv`` by service.
    """
    document = YamlText(text, str(file))
    for name, entry in entries.items():
        service = document.find(("services", name))
        if service is None or service.flow or KEY in service.entries or name not in stack.services:
            continue
        try:
            document.add(("services", name), KEY, entry)
        except ConfigurationError:  # an alias, or a mapping that another file completes: the proposal is printed
            continue
    return document.text


def _text(text: str) -> str:
    """A value that is interpolated as ``text``; in a list in brackets a comma or a brace has a meaning."""
    escaped = text.replace("$", "$$")
    return json.dumps(escaped, ensure_ascii=False) if set(escaped) & set(",[]{}#:&*!|>%@`\"' ") else scalar(escaped)
