"""The search for reference cycles while the backend runs: seldom, as the store has none and most of the objects."""

from __future__ import annotations

import gc

# New objects after which the youngest are searched, and how often the older ones are then. By default, it is 700: a
# tenth of the CPU time of ingest.
_THRESHOLDS = (10_000, 10, 10)


class RareCollection:
    """From :meth:`begin` to :meth:`end`, for the whole process; what exists at the begin is never searched."""

    def __init__(self) -> None:
        self._before: tuple[int, int, int] | None = None

    def begin(self) -> None:
        """Search seldom from now on."""
        self._before = gc.get_threshold()
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)

    def end(self) -> None:
        """Search as before."""
        if self._before is not None:
            gc.set_threshold(*self._before)
            gc.unfreeze()
            self._before = None
