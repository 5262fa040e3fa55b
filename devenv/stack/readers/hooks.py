"""Reads ``post_start``, ``pre_stop``, and the commands of ``develop``."""

from __future__ import annotations

from typing import Any

from devenv.model.stack import Hook
from devenv.stack.readers.context import Context
from devenv.stack.readers.cursor import Cursor, Fields
from devenv.stack.readers.execution import read_command
from devenv.stack.readers.service_environment import resolve_pairs

_HOOK = ("command", "user", "privileged", "working_dir", "environment")


def read_hooks(service: Fields, name: str, context: Context) -> tuple[Hook, ...]:
    """Return the hooks of the key ``name`` in the order in which they run."""
    return tuple(read_hook(item, context) for item in service.items(name))


def read_hook(member: Cursor, context: Context) -> Hook:
    """Return one hook; a missing command is a problem."""
    fields = member.fields(_HOOK)
    fields.required("command")
    command = read_command(fields, "command")
    if command == ():
        fields.cursor.error(f"{member.key}.command is empty", expected="a command")
    return Hook(
        command=command or (),
        user=fields.text("user") or "",
        privileged=fields.flag("privileged"),
        working_dir=fields.text("working_dir") or "",
        environment=resolve_pairs(fields.each("environment"), context),
    )


def hook_document(hook: Hook) -> dict[str, Any]:
    """Return a hook in Compose's long form."""
    given = {
        "command": list(hook.command),
        "user": hook.user,
        "privileged": hook.privileged,
        "working_dir": hook.working_dir,
        "environment": dict(hook.environment),
    }
    return {name: value for name, value in given.items() if value not in ("", False, [], {})}
