"""The daemon's reports as the values of the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devenv.model.identity import LABEL_CONFIG_HASH
from devenv.model.state import ObservedInstance, PublishedPort, State

if TYPE_CHECKING:
    from devenv.engine.process.daemon_file import RecordedInstance
    from devenv.engine.process.daemon_messages import InstanceReport


def observed(report: InstanceReport) -> ObservedInstance:
    """An instance of a daemon that runs."""
    return ObservedInstance(
        id=report.id,
        name=report.name,
        service=report.service,
        index=report.index,
        state=report.state,
        config_hash=report.labels.get(LABEL_CONFIG_HASH, ""),
        exit_code=report.exit_code,
        error=report.error,
        restarts=report.restarts,
        started_at=report.started_at,
        finished_at=report.finished_at,
        ports=tuple(PublishedPort(host=port.host, container=port.container) for port in report.ports if port.shown),
        labels=report.labels,
    )


def left_behind(item: RecordedInstance) -> ObservedInstance:
    """An instance without a daemon: whether its process runs or not, it must be replaced."""
    return ObservedInstance(
        id=item.id,
        name=item.name,
        service=item.service,
        index=item.index,
        state=State.DEAD,
        config_hash=item.labels.get(LABEL_CONFIG_HASH, ""),
        error="the daemon that ran it was killed",
        labels=item.labels,
    )
