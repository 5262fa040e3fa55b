"""Which requests are looked up, and the class of each one: the classes add up to the number sent."""

from __future__ import annotations

from dataclasses import field

import numpy as np

from devenv.immutable import immutable
from devenv.load.rows import Rows, sampled, trace_id
from devenv.load.verify.sent_request import Sent
from devenv.load.verify.verification import Verification
from devenv.model.load_documents import CauseDocument
from devenv.model.run import RequestError
from devenv.model.trace import TRACE_CLASSES, TraceClass

MOST_VERIFIED = 5000
"""At most this many requests are looked up, unless a threshold requires ``traced``; a notice reports the sampling."""

_INDEX = {name: index for index, name in enumerate(TRACE_CLASSES)}


@immutable()
class Chosen:
    """The requests to look up, in the order of sending, and the number of sampled ones that are left out."""

    requests: list[Sent]
    left_out: int


def choose(rows: Rows, wall_ns: int, *, everything: bool) -> Chosen:
    """Choose the requests to look up: all sampled ones, or evenly spaced ones if there are too many.

    Args:
        rows: in the order of the schedule.
        wall_ns: wall time of the run's start, nanoseconds since the epoch.
        everything: whether to choose all of them in any case.
    """
    wanted = rows[sampled(rows)]
    count = len(wanted)
    if count > MOST_VERIFIED and not everything:
        wanted = wanted[np.linspace(0, count - 1, MOST_VERIFIED).round().astype(np.int64)]
    requests = [
        Sent(
            number=int(row["number"]),
            trace_id=trace_id(row),
            start_ns=wall_ns + int(row["actual"]),
            end_ns=wall_ns + int(row["end"]),
            error=RequestError(int(row["error"])),
            status=int(row["status"]),
        )
        for row in wanted
    ]
    return Chosen(requests, count - len(requests))


@immutable()
class Account:
    """Classes of the verified requests, by number in the schedule, and the causes of incomplete traces.

    ``failure`` is the reason why some requests could not be looked up; empty if all could.
    """

    classes: dict[int, TraceClass] = field(default_factory=dict)
    causes: list[CauseDocument] = field(default_factory=list)
    verified: bool = False
    failure: str = ""

    def apply(self, rows: Rows) -> None:
        """Set the class of each row; rows that were not looked up become ``unsampled`` or ``unverified``."""
        classes = np.where(sampled(rows), _INDEX["unverified"], _INDEX["unsampled"]).astype(np.uint8)
        if self.classes:
            numbers = np.fromiter(self.classes, dtype=np.int64, count=len(self.classes))
            found = np.fromiter((_INDEX[name] for name in self.classes.values()), dtype=np.uint8)
            classes[np.searchsorted(rows["number"], numbers)] = found
        rows["trace_class"] = classes


NOTHING = Account()
"""The account of a run without verification."""


def make_account(found: Verification) -> Account:
    """Return the account of a verification, the most frequent cause first."""
    causes = [
        CauseDocument(trace_class=key[0], count=count, cause=key[1], example=found.examples[key])
        for key, count in found.causes.most_common()
    ]
    return Account(found.classes, causes, verified=True, failure=found.failure)
