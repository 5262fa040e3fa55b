"""Reads ``develop``; as in Compose, a plain ``up`` does not act on it."""

from __future__ import annotations

from typing import Any

from devenv.stack.readers.context import Context
from devenv.stack.readers.cursor import Cursor, Fields
from devenv.stack.readers.hooks import hook_document, read_hook
from devenv.stack.yaml.nodes import ListNode

_ACTIONS = ("rebuild", "sync", "restart", "sync+restart", "sync+exec")
_RULE = ("path", "action", "target", "ignore", "include", "exec", "initial_sync")


def read_develop(service: Fields, context: Context) -> dict[str, Any]:
    """Return the service's ``develop`` in its long form, with absolute paths."""
    member = service.get("develop")
    if member is None:
        return {}
    rules = [_rule(rule, context) for rule in member.fields(("watch",)).items("watch")]
    return {"watch": [rule for rule in rules if rule]}


def _rule(rule: Cursor, context: Context) -> dict[str, Any]:
    fields = rule.fields(_RULE)
    if not fields.members:
        return {}
    required, action = fields.required("path"), fields.required("action")
    path = required.text() if required else None
    chosen = action.choice(_ACTIONS) if action else None
    if chosen is not None and chosen.startswith("sync") and fields.get("target") is None:
        rule.error(f"{rule.key}: {chosen} requires target", expected="target")
    hook = fields.get("exec")
    if hook is None and chosen == "sync+exec":
        rule.error(f"{rule.key}: sync+exec requires exec", expected="exec: {command: …}")
    given = {
        "path": str(context.path(path)) if path else None,
        "action": chosen,
        "target": fields.text("target"),
        "exec": hook_document(read_hook(hook, context)) if hook else None,
        "include": _patterns(fields.get("include")),
        "ignore": _patterns(fields.get("ignore")),
        "initial_sync": fields.flag("initial_sync") or None,
    }
    return {name: value for name, value in given.items() if value not in (None, [], {})}


def _patterns(member: Cursor | None) -> list[str]:
    if member is None:
        return []
    text = None if isinstance(member.node, ListNode) else member.text()
    return [text] if text else list(member.texts()) if isinstance(member.node, ListNode) else []
