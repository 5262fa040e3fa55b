"""OpenTelemetry's published model of its conventions, for the day on which conventions.yaml follows another version.

`PYTHONPATH=tests/support python -m conventions.published MODEL` reads the folder `model` of a copy of
open-telemetry/semantic-conventions, and prints how the table beside the tests differs from it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from conventions.table import LEVELS, Attribute, Group, read

Model = dict[str, dict[str, Any]]


def differences(folder: Path) -> list[str]:
    """Return a line for each difference of our table to the model in a folder: kind, stability, attributes."""
    groups, attributes = _load(folder)
    found = []
    for name, ours in read().items():
        refs = _refs(groups, ours.published)
        theirs = groups[ours.published]
        kind = theirs.get("span_kind") or theirs.get("kind") or groups[theirs["ref"]]["kind"]
        if (kind, theirs["stability"]) != (ours.kind, ours.stability):
            found.append(f"{name}: {kind}, {theirs['stability']}")
        found += [f"{name}: {line}" for line in _attributes(ours, refs, attributes)]
    return found


def _attributes(ours: Group, refs: Model, attributes: Model) -> Iterator[str]:
    for name in sorted({*refs, *ours.attributes} - set(ours.beside)):
        published = _attribute(refs[name], attributes[name]) if name in refs else None
        mine = ours.attributes.get(name)
        if mine is None or published is None or mine._replace(condition="") != published._replace(condition=""):
            yield f"{name}: ours {mine}, published {published}"


def _attribute(ref: Mapping[str, Any], registered: Mapping[str, Any]) -> Attribute:
    level = ref.get("requirement_level", "recommended")
    name, text = next(iter(level.items())) if isinstance(level, dict) else (level, "")
    kind = registered["type"]
    if isinstance(kind, dict):  # an enumeration
        kind = "int" if isinstance(kind["members"][0]["value"], int) else "string"
    if kind.startswith("template["):
        kind = kind[len("template[") : -1]
    stability = "deprecated" if "deprecated" in registered else registered["stability"]
    return Attribute(kind, stability, LEVELS[name], " ".join(text.split()))


def _load(folder: Path) -> tuple[Model, Model]:
    """Return the groups and the registered attributes by name."""
    groups: Model = {}
    attributes: Model = {}
    for path in folder.rglob("*.yaml"):
        document = yaml.safe_load(path.read_text()) or {}
        for key in ("groups", "attribute_groups", "spans", "span_refinements", "attributes"):
            for item in document.get(key, ()):
                if key == "attributes":
                    attributes[item.get("key") or item["id"]] = item
                    continue
                groups[item.get("id") or item["type"]] = item
                attributes |= {found["id"]: found for found in item.get("attributes", ()) if "id" in found}
    return groups, attributes


def _refs(groups: Model, name: str) -> Model:
    """Return the attributes of a group by name, with those of the groups that it extends or refers to."""
    group = groups[name]
    found: Model = {}
    base = group.get("extends") or (group.get("ref") if "type" not in group else None)
    if base:
        found |= _refs(groups, base)
    for item in group.get("attributes", ()):
        if "ref_group" in item:
            for key, value in _refs(groups, item["ref_group"]).items():
                found[key] = {**found.get(key, {}), **value}
        else:
            key = item.get("ref") or item["id"]
            found[key] = {**found.get(key, {}), **item}
    return found


if __name__ == "__main__":
    lines = differences(Path(sys.argv[1]))
    sys.exit("\n".join(lines) if lines else None)
