"""The verdict on a run: why it is negative, judged from its document; pure."""

from __future__ import annotations

from devenv.analysis.thresholds import parse_threshold
from devenv.model.counts import plural
from devenv.model.load_documents import LoadDocument

TOLERATED_PERCENT = 1.0
"""A run in which a larger part of the requests failed or was dropped is negative, unless a ``--fail`` decides."""


def judge(document: LoadDocument) -> list[str]:
    """Return the reasons for a negative verdict, the most important first; empty if the run passed.

    A threshold about failed requests (``errors``), about the rate (``dropped``, ``rate``) or about traces (``traced``)
    replaces the rule about the same.
    """
    asked = {parse_threshold(threshold.expr).metric for threshold in document.thresholds}
    reasons = []
    if document.interrupted:
        cause = ", as the project was removed" if document.interrupted_by == "down" else ""
        reasons.append(f"cut short after {document.duration_s:.1f} s{cause}")
    if not document.valid:
        reasons.append(document.invalid_reason)
    for threshold in document.thresholds:
        if not threshold.ok:
            value = "not measured" if threshold.value is None else f"measured {threshold.value:g}"
            reasons.append(f"threshold {threshold.expr} not met ({value})")
    failed = sum(document.errors.values())
    if not asked & {"errors", "errors_count"} and _is_above(failed, document.sent):
        kinds = ", ".join(f"{count} {kind}" for kind, count in document.errors.items())
        reasons.append(f"{failed} of {plural(document.sent, 'request')} failed ({kinds})")
    due = document.sent + document.dropped
    if not asked & {"dropped", "rate"} and _is_above(document.dropped, due):
        reasons.append(f"{document.dropped} of {plural(due, 'request')} dropped: too many in flight")
    if document.unverified_reason and "traced" not in asked:
        reasons.append(f"traces could not be verified: {document.unverified_reason}")
    return reasons


def passed_text(document: LoadDocument) -> str:
    """Return what a run that passed has shown, as the rest of a sentence.

    Incomplete traces alone do not fail a run. If none is complete, the sentence says that they are not part of it.
    """
    done = document.sent - sum(document.errors.values())
    text = f"{done} of {plural(document.sent, 'request')} succeeded"
    if document.redirects:
        text += f" ({plural(document.redirects, 'redirect')}, not followed)"
    looked_up = document.sent - document.traces.unsampled - document.traces.unverified
    complete = document.traces.complete + document.traces.late
    if looked_up and not complete and not any(_is_traced(threshold.expr) for threshold in document.thresholds):
        count = plural(looked_up, "trace")
        return f"{text}; traces are not judged without `--fail 'traced==100%'`, and none of {count} is complete"
    if looked_up:
        return f"{text}, {complete} of {plural(looked_up, 'trace')} complete"
    return f"{text}, traces not verified"


def _is_traced(threshold: str) -> bool:
    return parse_threshold(threshold).metric == "traced"


def _is_above(part: int, whole: int) -> bool:
    return whole > 0 and 100 * part > TOLERATED_PERCENT * whole
