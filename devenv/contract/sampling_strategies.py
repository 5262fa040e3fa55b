"""Sampling strategies of ``x-devenv.sampling`` in Jaeger's forms: the answer to an SDK that polls, and Jaeger's file.

Both: https://www.jaegertracing.io/docs/2.13/architecture/sampling/#remote-sampling.
"""

from __future__ import annotations

from typing import Any

from devenv.model.extension import Sampling

_PROBABILISTIC = 0
_UNLISTED = ""
"""Stands for every service that is not listed; none has this name."""


def strategies(sampling: Sampling) -> dict[str, dict[str, Any]]:
    """Return the answer for each service, and under ``""`` that for the others, with the fields that Jaeger writes."""
    return {name: _strategy(sampling, name) for name in (_UNLISTED, *sampling.services)}


def strategies_of(sampling: float | Sampling | None) -> dict[str, dict[str, Any]]:
    """Return the strategies of ``x-devenv.sampling``; none if it is not a mapping."""
    return strategies(sampling) if isinstance(sampling, Sampling) else {}


def _strategy(sampling: Sampling, service: str) -> dict[str, Any]:
    ratio, operations = sampling.ratio(service), sampling.operations(service)
    found: dict[str, Any] = {
        "strategyType": _PROBABILISTIC,
        "probabilisticSampling": {"samplingRate": ratio},
    }
    if operations:
        found["operationSampling"] = {
            "defaultSamplingProbability": ratio,
            "defaultLowerBoundTracesPerSecond": 0,
            "perOperationStrategies": [
                {"operation": name, "probabilisticSampling": {"samplingRate": own}} for name, own in operations.items()
            ],
            "defaultUpperBoundTracesPerSecond": 0,
        }
    return found


def strategies_file(sampling: Sampling) -> dict[str, Any]:
    """Return the content of the file that Jaeger reads strategies from."""
    return {
        "default_strategy": {"type": "probabilistic", "param": sampling.default},
        "service_strategies": [
            {
                "service": name,
                "type": "probabilistic",
                "param": sampling.ratio(name),
                "operation_strategies": [
                    {"operation": operation, "type": "probabilistic", "param": ratio}
                    for operation, ratio in sampling.operations(name).items()
                ],
            }
            for name in sampling.services
        ],
    }
