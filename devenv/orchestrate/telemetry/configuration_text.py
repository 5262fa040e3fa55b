"""A collector's configuration as text: read, and written again with devenv's exporter, the rest as it was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from devenv.errors import ConfigurationError, StackFileError
from devenv.orchestrate.telemetry.pipelines import EXPORTER, PIPELINE, exporters_of
from devenv.stack.edit import YamlText, scalar
from devenv.stack.problems import Problems
from devenv.stack.yaml.nodes import plain
from devenv.stack.yaml.parser import parse

if TYPE_CHECKING:
    from devenv.orchestrate.telemetry.pipelines import Addition


def read_configuration(text: str, file: str) -> dict[str, Any]:
    """Return a configuration as plain values.

    Args:
        text: YAML.
        file: for messages.

    Raises:
        StackFileError: If it is not YAML, or no mapping.
    """
    problems = Problems()
    documents = parse(text, file, problems)
    problems.check()
    found = plain(documents[0]) if documents else {}
    if not isinstance(found, dict):
        raise StackFileError(f"{file}: not a collector's configuration", found="no mapping", expected="a mapping")
    return found


def merged(configs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return several configurations as one, as a collector merges its ``--config`` files: only mappings are merged."""
    result: dict[str, Any] = {}
    for config in configs:
        for key, value in config.items():
            below = result.get(key)
            both = isinstance(below, Mapping) and isinstance(value, Mapping)
            result[key] = merged([below, value]) if both else value  # type: ignore[list-item]  # both are mappings
    return result


def with_exporter(text: str, file: str, addition: Addition, endpoint: str) -> str:
    """Return a configuration with devenv's exporter; every other line stays as it is, unless it cannot be edited so.

    Args:
        text: YAML, as :func:`read_configuration` accepts it.
        file: for messages.
        addition: what it needs.
        endpoint: base URL of devenv's backend.
    """
    try:
        return _edited(text, file, addition, endpoint)
    except ConfigurationError:  # an alias or an anchor is in the way: the values stay, their text does not
        config = read_configuration(text, file)
        return json.dumps(merged([config, overlay(config, addition, endpoint)]), indent=2)


def overlay(config: Mapping[str, Any], addition: Addition, endpoint: str) -> dict[str, Any]:
    """Return what a further ``--config`` file has to contain beside ``config``: lists in it replace those there."""
    pipelines: dict[str, Any] = {
        name: {"exporters": [*exporters_of(config, name), EXPORTER]} for name in addition.pipelines
    }
    if addition.receivers:
        pipelines[PIPELINE] = {"receivers": list(addition.receivers), "exporters": [EXPORTER]}
    return {"exporters": {EXPORTER: {"endpoint": endpoint}}, "service": {"pipelines": pipelines}}


def lines_to_paste(addition: Addition | None, endpoint: str) -> tuple[str, ...]:
    """Return what a user can add to a configuration that devenv cannot copy."""
    pipelines = ["      traces:", f"        exporters: [..., {EXPORTER}]"]
    if addition is not None and addition.receivers:
        receivers = ", ".join(addition.receivers)
        pipelines = [f"      {PIPELINE}: {{ receivers: [{receivers}], exporters: [{EXPORTER}] }}"]
    return (
        "exporters:",
        f"  {EXPORTER}: {{ endpoint: {json.dumps(endpoint)} }}",
        "service:",
        "  pipelines:",
        *(line.removeprefix("  ") for line in pipelines),
    )


def _edited(text: str, file: str, addition: Addition, endpoint: str) -> str:
    yaml = YamlText(text, file)
    exporter = f"{{ endpoint: {json.dumps(endpoint)} }}"
    exporters = yaml.find(["exporters"])
    if exporters is None:
        yaml.add((), "exporters", f"{EXPORTER}: {exporter}\n")
    else:
        yaml.add(("exporters",), EXPORTER, exporter)
    for name in addition.pipelines:
        yaml.append(("service", "pipelines", name, "exporters"), EXPORTER)
    if addition.receivers:
        receivers = ", ".join(scalar(name) for name in addition.receivers)
        yaml.add(("service", "pipelines"), PIPELINE, f"{{ receivers: [{receivers}], exporters: [{EXPORTER}] }}")
    expected = merged([read_configuration(text, file), overlay(read_configuration(text, file), addition, endpoint)])
    if read_configuration(yaml.text, file) != expected:  # an edit that says something else than what is meant
        raise ConfigurationError(f"{file}: cannot be edited")
    return yaml.text
