"""At which level of OTLP the semantic conventions use an attribute, for those of one level only.

From the models of open-telemetry/semantic-conventions, version 1.44. Namespaces of which some attribute is used at
several levels, such as ``process`` (also on spans of command lines), ``server`` and ``user_agent``, are left out.
"""

from __future__ import annotations

from functools import lru_cache

_OF_RESOURCES = frozenset(
    {
        "service.name", "service.version", "service.namespace", "service.instance.id",
        "telemetry.sdk.name", "telemetry.sdk.language", "telemetry.sdk.version",
        "telemetry.distro.name", "telemetry.distro.version",
        "deployment.environment.name", "deployment.environment",
        "host.id", "host.name", "host.type", "host.arch", "os.type", "os.description", "os.version",
        "process.runtime.name", "process.runtime.version", "process.runtime.description",
        "container.id", "container.name", "container.image.name", "container.image.id", "container.runtime",
    }
)  # fmt: skip
_RESOURCE_SPACES = ("k8s.pod.", "k8s.node.", "k8s.namespace.", "k8s.deployment.", "k8s.container.", "k8s.cluster.")
_SPAN_SPACES = ("http.", "url.", "db.", "messaging.", "rpc.", "exception.", "graphql.", "code.", "thread.", "error.")


@lru_cache(4096)
def any_of_resources(keys: tuple[str, ...]) -> bool:
    """Whether one of these attributes belongs to resources only; spans of one kind have the same ones."""
    return any(key in _OF_RESOURCES or key.startswith(_RESOURCE_SPACES) for key in keys)


@lru_cache(4096)
def any_of_spans(keys: tuple[str, ...]) -> bool:
    """Whether one of these attributes belongs to spans (or metrics and log records) only, never to a resource."""
    return any(key.startswith(_SPAN_SPACES) for key in keys)
