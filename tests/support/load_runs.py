"""Options and workload of a run from one set of fields."""

from __future__ import annotations

from typing import Any

from devenv.load.options import LoadOptions
from devenv.load.workload import Workload

_WORKLOAD = {"scenario", "scenario_name", "target", "sampling"}


def asked(**fields: Any) -> tuple[LoadOptions, Workload]:
    """What ``run_load`` is told; ``scenario`` is a Scenario, ``target`` a URL."""
    workload = {name: fields.pop(name) for name in _WORKLOAD & fields.keys()}
    return LoadOptions(**fields), Workload(**workload)
