"""Reads how a service runs: commands, healthcheck, restart, ``deploy``, limits and logging."""

from __future__ import annotations

import shlex
from typing import Any, Literal, cast

from devenv.model.stack import Healthcheck, Logging, Restart, Ulimit
from devenv.stack.readers import keys
from devenv.stack.readers.cursor import Cursor, Fields
from devenv.stack.readers.engine_options import read_devices
from devenv.stack.yaml.nodes import ListNode, ScalarNode
from devenv.suggestions import suggest

_HEALTHCHECK = ("test", "interval", "timeout", "retries", "start_period", "start_interval", "disable")
_POLICIES = ("no", "always", "on-failure", "unless-stopped")
Policy = Literal["no", "always", "on-failure", "unless-stopped"]
_CONDITIONS: dict[str, Policy] = {
    "any": "always",
    "on-failure": "on-failure",
    "none": "no",
    "always": "always",
    "unless-stopped": "unless-stopped",
    "no": "no",
}
"""Conditions of ``deploy.restart_policy`` as restart policies of a single engine, as in Compose."""


def read_command(service: Fields, name: str) -> tuple[str, ...] | None:
    """Return an argument list; a line is split by the rules of a shell, but no shell runs."""
    member = service.get(name)
    if member is None:
        return None
    if isinstance(member.node, ListNode):
        return member.texts()
    text = member.text()
    try:
        return None if text is None else tuple(shlex.split(text))
    except ValueError as error:
        member.error(f"cannot be split into arguments: {error}", expected="balanced quotes, or a list of arguments")
        return None


def read_healthcheck(service: Fields) -> Healthcheck | None:
    """Return the healthcheck with the engine's defaults; ``NONE`` and ``disable`` switch off that of the image."""
    member = service.get("healthcheck")
    if member is None:
        return None
    fields = member.fields(_HEALTHCHECK)
    test = _test(fields.get("test"))
    retries = fields.integer("retries", 0)
    return Healthcheck(
        test=() if test[:1] == ("NONE",) else test,
        interval=fields.duration("interval", 30.0) or 30.0,  # 0 means the default, as for the engine
        timeout=fields.duration("timeout", 30.0) or 30.0,
        retries=3 if retries is None else retries,
        start_period=fields.duration("start_period", 0.0),
        start_interval=fields.duration("start_interval", 5.0),
        disable=fields.flag("disable") or test[:1] == ("NONE",),
    )


def _test(member: Cursor | None) -> tuple[str, ...]:
    if member is None:
        return ()
    if isinstance(member.node, ScalarNode):
        text = member.text()
        return ("CMD-SHELL", text) if text else ()
    test = member.texts()
    if test and test[0] not in ("NONE", "CMD", "CMD-SHELL"):
        hint = suggest(test[0], ("NONE", "CMD", "CMD-SHELL")) or 'put "CMD" before it'
        member.error(
            "healthcheck.test must start with NONE, CMD or CMD-SHELL",
            found=test[0],
            expected="CMD, CMD-SHELL",
            hint=hint,
        )
        return ()
    if len(test) == 1 and test[0] != "NONE":
        member.error(f"{test[0]} requires a command", found=test[0], expected="a command")
    return test


def read_restart(service: Fields, deploy: Fields) -> Restart:
    """Return the restart policy; ``deploy.restart_policy`` takes precedence over ``restart``, as in Compose."""
    own, deployed = service.get("restart"), deploy.get("restart_policy")
    restart = _own_restart(own) if own else Restart()
    return _deployed_restart(deployed) if deployed else restart


def _own_restart(member: Cursor) -> Restart:
    text = member.text() or "no"
    policy, colon, maximum = text.partition(":")
    counted = policy == "on-failure" and maximum.isdecimal() and len(maximum) < 10
    if policy not in _POLICIES or (colon and not counted):
        member.error(
            f"{member.key} must be one of {', '.join(_POLICIES)}, on-failure:N",
            expected=", ".join((*_POLICIES, "on-failure:N")),
            hint=suggest(policy, _POLICIES) or ("use no" if text == "false" else ""),
        )
        return Restart()
    return Restart(policy=cast("Policy", policy), maximum=int(maximum) if counted else None)


def _deployed_restart(member: Cursor) -> Restart:
    ignored = {"delay": "the engine's back-off applies", "window": "the engine's window applies"}
    fields = member.fields(("condition", "max_attempts"), ignored=ignored)
    policy = _CONDITIONS[fields.choice("condition", _CONDITIONS) or "any"]
    maximum = fields.integer("max_attempts", 0)
    return Restart(policy=policy, maximum=maximum if policy == "on-failure" else None)


def read_deploy(service: Fields) -> Fields:
    """Return ``deploy``, empty if absent; its unsupported keys are noted."""
    member = service.get("deploy")
    if member is None:
        return Fields(service.cursor, {})
    fields = member.fields(keys.DEPLOY, ignored=keys.DEPLOY_IGNORED)
    mode = fields.get("mode")
    if mode is not None and mode.choice(("replicated", "global", "replicated-job", "global-job")) not in (
        None,
        "replicated",
    ):
        mode.error(f"{mode.key}: only replicated is supported", expected="replicated")
    return fields


def read_limits(deploy: Fields) -> Fields:
    """Return ``deploy.resources.limits``; reservations other than devices are warnings."""
    member = deploy.get("resources")
    if member is None:
        return Fields(deploy.cursor, {})
    resources = member.fields(("limits", "reservations"))
    reserved = resources.get("reservations")
    if reserved is not None:
        unreserved = dict.fromkeys(("cpus", "memory", "pids", "generic_resources"), "nothing is reserved")
        reserved.fields(("devices",), ignored=unreserved)
    limits = resources.get("limits")
    return limits.fields(keys.LIMITS) if limits else Fields(deploy.cursor, {})


def reserved_devices(deploy: Fields) -> dict[str, Any]:
    """Return the option ``reserved_devices``, from ``deploy.resources.reservations.devices``."""
    resources = deploy.each("resources").get("reservations")
    devices = resources.members().get("devices") if resources else None
    requests = read_devices(devices) if devices else []
    return {"reserved_devices": requests} if requests else {}


def read_replicas(service: Fields, deploy: Fields) -> int:
    """Return ``deploy.replicas`` or ``scale``; they must not differ."""
    scale, replicas = service.integer("scale", 0), deploy.integer("replicas", 0)
    if scale is not None and replicas is not None and scale != replicas:
        service.members["scale"].error(
            f"scale and deploy.replicas differ: {scale} and {replicas}",
            expected=str(replicas),
            hint="remove one of the two",
        )
    given = replicas if scale is None else scale
    return 1 if given is None else given


def read_logging(service: Fields) -> Logging | None:
    """Return the log driver and its options."""
    member = service.get("logging")
    if member is None:
        return None
    fields = member.fields(("driver", "options"))
    return Logging(driver=fields.text("driver"), options=fields.table("options"))


def read_ulimits(service: Fields) -> dict[str, Ulimit]:
    """Return limits by name; one number is both soft and hard limit."""
    limits: dict[str, Ulimit] = {}
    for name, member in service.each("ulimits").items():
        if isinstance(member.node, ScalarNode):
            both = member.integer(-1)
            soft, hard = both, both
        else:
            fields = member.fields(("soft", "hard"))
            fields.required("soft")
            fields.required("hard")
            soft, hard = fields.integer("soft", -1), fields.integer("hard", -1)
        if soft is not None and hard is not None:
            limits[name] = Ulimit(soft=soft, hard=hard)
    return limits
