"""Our table of OpenTelemetry's semantic conventions, conventions.yaml beside the tests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FILE = Path(__file__).parents[2] / "integration" / "tracing" / "conventions" / "conventions.yaml"

REQUIRED, CONDITIONAL, RECOMMENDED, OPT_IN = LEVEL_NAMES = ("required", "conditional", "recommended", "opt-in")
LEVELS = dict(zip(("required", "conditionally_required", "recommended", "opt_in"), LEVEL_NAMES, strict=True))
"""Our words for the requirement levels, by the published ones."""


class Attribute(NamedTuple):
    """What the conventions say of an attribute in one group.

    Attributes:
        type: `string`, `int`, `double`, `boolean`, or one of these with `[]`.
        stability: `stable`, `release_candidate`, `development` or `deprecated`.
        level: The requirement level.
        condition: The name of what it depends on, in `conditions`; empty for nothing.
    """

    type: str
    stability: str
    level: str
    condition: str = ""


class Group(NamedTuple):
    """A kind of span.

    Attributes:
        published: The name of the published group.
        kind: The span kind.
        stability: As of an attribute.
        form: The form of the span's name.
        attributes: Attributes by name.
        usual: The conditions that a span fulfils if its case does not say otherwise.
        values: Attributes that have one value.
        same: Attributes whose value, if there is one, is that of another.
        beside: Attributes that the text of the conventions names beside the table.
    """

    published: str
    kind: str
    stability: str
    form: str
    attributes: Mapping[str, Attribute]
    usual: frozenset[str]
    values: Mapping[str, Any]
    same: Mapping[str, str]
    beside: frozenset[str] = frozenset()


@cache
def document() -> dict[str, Any]:
    """Return the whole file."""
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return found


@cache
def read() -> dict[str, Group]:
    """Return the groups by name."""
    found: dict[str, Group] = {}
    for name, given in document()["groups"].items():
        base = found[given["like"]] if "like" in given else None
        own = {key: Attribute(*value) for key, value in given.get("attributes", {}).items() if value}
        without = {key for key, value in given.get("attributes", {}).items() if not value}
        below = {key: value for key, value in base.attributes.items() if key not in without} if base else {}
        beside = {key: Attribute(*value) for key, value in given.get("beside", {}).items()}
        general = {key: Attribute(*value) for key, value in document()["general"].items()}
        beside |= {key: value for key, value in general.items() if key not in {**below, **own}}
        found[name] = Group(
            given["published"],
            given.get("kind") or base.kind,
            given.get("stability") or base.stability,
            given.get("form") or base.form,
            {**below, **own, **beside},
            frozenset(given.get("usual", base.usual if base else ())),
            given.get("values", {}),
            given.get("same", {}),
            frozenset(beside) | (base.beside if base else frozenset()),
        )
    return found
