"""Chooses the decider: a built-in sampler, a remote one, or one of the program or of an installed package."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlsplit

from devenv.tracing.light.decision import CustomSampler, Decider, decider
from devenv.tracing.light.exceptions import described
from devenv.tracing.light.notices import warn_once
from devenv.tracing.settings import SAMPLERS, Settings

_log = logging.getLogger(__name__)

GROUP = "opentelemetry_traces_sampler"
_GRPC_PORT, _HTTP_PORT = 14250, 5778


def choose(settings: Settings, given: CustomSampler | None = None) -> Decider:
    """Return the decider.

    Args:
        settings: The sampler's name and argument.
        given: The sampler that the program passed to `setup`; it takes precedence.
    """
    if given is not None:
        return Decider(custom=given)
    name = settings.sampler
    if name.endswith("jaeger_remote"):
        return Decider(custom=_remote(settings), parent_based=name.startswith("parentbased_"))
    if name in SAMPLERS:
        return decider(name, settings.sampler_ratio)
    found = _installed(name, settings.sampler_argument)
    return decider("parentbased_always_on", 1.0) if found is None else Decider(custom=found)


def _remote(settings: Settings) -> CustomSampler:
    from devenv.tracing.light.remote_sampling import RemoteSampler

    parts = urlsplit(settings.sampler_endpoint)
    url = settings.sampler_endpoint if parts.path not in {"", "/"} else f"{parts.scheme}://{parts.netloc}/sampling"
    if parts.port == _GRPC_PORT:
        warn_once(_log, "sampling strategies are asked for over HTTP, at port %d, not %d", _HTTP_PORT, _GRPC_PORT)
        url = url.replace(f":{_GRPC_PORT}", f":{_HTTP_PORT}", 1)
    initial = settings.sampler_ratio if settings.origin("sampler_ratio") != "default" else 1.0
    return RemoteSampler(url, settings.service_name, settings.sampler_interval_ms / 1000, initial)


def _installed(name: str, argument: str) -> Any:
    """Return the sampler of an entry point, which is a function of the argument; None, with a warning, if it fails."""
    from devenv.tracing.process.entry_points import entry_points

    try:
        return next(iter(entry_points(GROUP, name))).load()(argument or None)
    except Exception as error:  # noqa: BLE001 - logged; a package that fails must not stop the program
        warn_once(_log, "cannot load the sampler %s: %s; using parentbased_always_on", name, described(error))
        return None
