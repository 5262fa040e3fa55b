"""Which probe a service has: ``x-devenv.ready``, else its Compose healthcheck, else its image's, else none."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from devenv.contract.engine import InstanceAccess
from devenv.health.network import HttpProbe, TcpProbe
from devenv.health.probe import Answer, ExecProbe, LogProbe, Probe, shell_command
from devenv.health.route import PortRoute
from devenv.immutable import immutable
from devenv.model.stack import Healthcheck, Service

if TYPE_CHECKING:
    from devenv.model.extension import Ready

EXEC_TIMEOUT = 30.0
"""Seconds that a probe's command may take if the file sets no time; Compose's default."""

_ANY_ADDRESS = {None: "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - compared, not bound


@immutable(kw_only=True)
class FailureBudget:
    """When failing means unhealthy: ``retries`` failures in a row, and ``seconds`` gone since the start.

    Devenv asks more often than ``interval``; the time that the engine's own healthcheck would have taken is granted.
    """

    retries: int
    seconds: float


@immutable()
class ChosenProbe:
    """A probe, and the budget that its healthcheck sets; without one only the overall timeout counts.

    Attributes:
        interval: seconds after which the engine's own healthcheck would ask again; ``None``: there is none.
    """

    probe: Probe
    budget: FailureBudget | None = None
    interval: float | None = None


def choose(
    target: InstanceAccess,
    instance_id: str,
    service: Service,
    *,
    image_healthcheck: tuple[str, ...] = (),
    since: float | None = None,
    follow: bool = True,
) -> ChosenProbe | None:
    """The service's probe for one instance; ``None``: it is ready once started.

    Args:
        target: the engine.
        instance_id: the engine's id of the instance.
        service: as resolved.
        image_healthcheck: test of the image's ``HEALTHCHECK``, empty if it has none.
        since: seconds since the epoch of the start; output from before it does not count.
        follow: whether a log probe waits for further lines.
    """
    ready = service.x.ready
    if ready is not None and ready.has_probe:
        return ChosenProbe(_declared(target, instance_id, service, ready, since=since, follow=follow))
    check = service.healthcheck
    if check is not None and check.disable:
        return None
    test = check.test if check is not None and check.test else image_healthcheck
    if not test or test[0] == "NONE":
        return None
    timing = check if check is not None else Healthcheck()
    probe = ExecProbe(target, instance_id, shell_command(test), timing.timeout or EXEC_TIMEOUT)
    budget = FailureBudget(retries=timing.retries, seconds=timing.start_period + timing.retries * timing.interval)
    interval = min(timing.interval, timing.start_interval) if timing.start_period else timing.interval
    return ChosenProbe(probe, budget, interval)


def _declared(
    target: InstanceAccess, instance_id: str, service: Service, ready: Ready, *, since: float | None, follow: bool
) -> Probe:
    """The probe that ``x-devenv.ready`` declares."""
    if ready.exec is not None:
        return ExecProbe(target, instance_id, shell_command(ready.exec), EXEC_TIMEOUT)
    if ready.log is not None:
        return LogProbe(target, instance_id, ready.log, since=since, follow=follow)
    if ready.http is not None:
        port = ready.http.port or ready.port or _first_port(service)
        route = _route(target, instance_id, service, port)
        route.inside = _inside(target, instance_id, f"http://127.0.0.1:{port}{ready.http.path}")
        return HttpProbe(route, ready.http.path, ready.http.status)
    port = ready.tcp if isinstance(ready.tcp, int) and ready.tcp is not True else ready.port or _first_port(service)
    route = _route(target, instance_id, service, port)
    route.inside = _inside(target, instance_id, f"telnet://127.0.0.1:{port}", tcp=True)
    return TcpProbe(route)


def _first_port(service: Service) -> int:
    """The service's first TCP port; 80 if it has none, which the probe's answer then shows."""
    return next(iter(service.container_ports), 80)


def _route(target: InstanceAccess, instance_id: str, service: Service, port: int) -> PortRoute:
    published = next(
        (
            (_ANY_ADDRESS.get(entry.address, entry.address or "127.0.0.1"), entry.host)
            for entry in service.ports
            if entry.container == port and entry.protocol == "tcp" and entry.host is not None
        ),
        None,
    )
    return PortRoute(target, instance_id, port, published=published if service.replicas == 1 else None)


def _inside(
    target: InstanceAccess, instance_id: str, url: str, *, tcp: bool = False
) -> Callable[[], Awaitable[Answer]]:
    """Asks from inside the instance with what images usually have: curl, wget, bash or Python."""
    quoted = shlex.quote(url)
    host, _, port = url.removeprefix("telnet://").rpartition(":") if tcp else ("", "", "")
    if tcp:
        python = f"import socket; socket.create_connection(({host!r}, {port}), 2).close()"
        attempts = {"nc": f"nc -z -w 2 {host} {port}", "bash": f"bash -c ': </dev/tcp/{host}/{port}'"}
    else:
        python = f"import urllib.request as r; print(r.urlopen({url!r}, timeout=4).status)"
        attempts = {"curl": f"curl -fsS -m 4 -o /dev/null {quoted}", "wget": f"wget -q -T 4 -O /dev/null {quoted}"}
    attempts["python3"] = f"python3 -c {shlex.quote(python)}"
    branches = " el".join(f"if command -v {tool} >/dev/null; then exec {line};" for tool, line in attempts.items())
    line = f"{branches} else echo 'no curl, wget, nc, bash or python3 to ask with' >&2; exit 127; fi"
    probe = ExecProbe(target, instance_id, ("/bin/sh", "-c", line), 5.0)
    return probe.ask
