"""Sampling strategies in protobuf, which some SDKs ask for over gRPC: service `jaeger.api_v2.SamplingManager`.

Format: sampling.proto of https://github.com/jaegertracing/jaeger-idl. Unset is PROBABILISTIC.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import DecodeError

from devenv.otlp import messages
from devenv.otlp.values import text
from devenv.otlp.wire import Undecodable

_MESSAGES: Any = messages.define(
    "devenv.sampling",
    {
        "Parameters": ("1 service bytes",),
        "Probabilistic": ("1 rate double",),
        "Operation": ("1 operation bytes", "2 probabilistic Probabilistic"),
        "Operations": ("1 default double", "2 lower_bound double", "3 strategies Operation*"),
        "Response": ("2 probabilistic Probabilistic", "4 operations Operations"),
    },
)


def service_of(request: bytes) -> str:
    """Return the service that a SamplingStrategyParameters names.

    Raises:
        Undecodable: If it is not one.
    """
    try:
        return text(_MESSAGES["Parameters"].FromString(request).service)
    except DecodeError as error:
        raise Undecodable(f"SamplingStrategyParameters: {error}") from error


def encoded(strategy: Mapping[str, Any]) -> bytes:
    """Return the SamplingStrategyResponse of a strategy of :mod:`devenv.contract.sampling_strategies`."""
    response = _MESSAGES["Response"]()
    response.probabilistic.rate = strategy["probabilisticSampling"]["samplingRate"]
    if operations := strategy.get("operationSampling"):
        response.operations.default = operations["defaultSamplingProbability"]
        for each in operations["perOperationStrategies"]:
            rate = _MESSAGES["Probabilistic"](rate=each["probabilisticSampling"]["samplingRate"])
            response.operations.strategies.add(operation=each["operation"].encode(), probabilistic=rate)
    encoded: bytes = response.SerializeToString()
    return encoded
