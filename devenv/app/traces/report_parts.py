"""The parts of a report's document, from what the analysis found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from devenv.analysis.figures.operations import mean_self_ms
from devenv.model.analysis.report_document import ObjectivePart, OperationPart, ServiceFiguresPart

if TYPE_CHECKING:
    from devenv.analysis.figures.operations import Figures, OperationFigures, OperationKey
    from devenv.analysis.objectives.verdicts import ObjectiveTarget, ObjectiveVerdict

_QUANTILES = (0.5, 0.9, 0.99)


def figure_parts(figures: Figures, seconds: float) -> Iterator[ServiceFiguresPart]:
    """The services by name, the operations of each by their time on critical paths; rates are over ``seconds``."""
    by_service: dict[str, list[tuple[OperationKey, OperationFigures]]] = {}
    for key, operation in figures.operations.items():
        by_service.setdefault(key[0], []).append((key, operation))
    for service, samples in sorted(figures.services.items()):
        operations = sorted(by_service[service], key=lambda item: (-item[1].critical_ns, item[0]))
        p50, p90, p99 = samples.percentiles(_QUANTILES)
        yield ServiceFiguresPart(
            name=service,
            requests=len(samples),
            rate=round(len(samples) / seconds, 3),
            errors=samples.errors,
            p50_ms=p50,
            p90_ms=p90,
            p99_ms=p99,
            critical_share=round(sum(figures.critical_share(operation) for _, operation in operations), 4),
            operations=[_operation_part(key, operation, figures, seconds) for key, operation in operations],
        )


def _operation_part(key: OperationKey, operation: OperationFigures, figures: Figures, seconds: float) -> OperationPart:
    p50, p90, p99 = operation.samples.percentiles(_QUANTILES)
    return OperationPart(
        name=key[1],
        kind=key[2].name.lower(),
        requests=len(operation.samples),
        rate=round(len(operation.samples) / seconds, 3),
        errors=operation.samples.errors,
        p50_ms=p50,
        p90_ms=p90,
        p99_ms=p99,
        self_ms=mean_self_ms(operation),
        critical_share=round(figures.critical_share(operation), 4),
        outlived=operation.outlived,
        slowest_trace=operation.slowest,
        failed_trace=operation.failed,
    )


def objective_part(verdict: ObjectiveVerdict) -> ObjectivePart:
    """One objective's verdict; burn rates to two digits."""
    target = verdict.target
    return ObjectivePart(
        name=target.name,
        service=target.service,
        operation=target.operation,
        target=target_text(target),
        wanted=target.share,
        value=None if verdict.value is None else round(verdict.value, 6),
        ok=verdict.ok,
        budget_left=round(verdict.budget_left, 4),
        burn=None if verdict.burn is None else round(verdict.burn, 2),
        burn_5m=None if verdict.burn_recent is None else round(verdict.burn_recent, 2),
        requests=verdict.requests,
        bad=verdict.bad,
        window_s=target.window_s,
    )


def target_text(target: ObjectiveTarget) -> str:
    """A target for people: ``99.9%``, ``99% < 250 ms``."""
    share = f"{round(target.share * 100, 6):g}%"
    if target.under_s is None:
        return share
    return f"{share} < {target.under_s:g} s" if target.under_s >= 1 else f"{share} < {target.under_s * 1000:g} ms"
