"""What the interpreter and the allocator do differently while the backend runs."""

from __future__ import annotations

import gc

# New objects after which the youngest are searched for reference cycles, and how often the older ones are then. By
# default it is 700: a tenth of the CPU time of ingest, as the store has most of the objects, and no cycles.
_THRESHOLDS = (10_000, 10, 10)
# Larger than most requests.
_KEPT = 1024 * 1024


class Runtime:
    """From :meth:`begin` to :meth:`end`, for the whole process; objects from before are not searched for cycles."""

    def __init__(self) -> None:
        self._before: tuple[int, int, int] | None = None

    def begin(self) -> None:
        """Search seldom, and keep the memory of a request for the next one."""
        self._before = gc.get_threshold()
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)
        # glibc learns from the largest block that was given back (mallopt(3), M_MMAP_THRESHOLD). Until then it gives
        # the memory of each request back to the kernel, which costs some 60 page faults for the next one.
        bytes(_KEPT)

    def end(self) -> None:
        """Search as before."""
        if self._before is not None:
            gc.set_threshold(*self._before)
            gc.unfreeze()
            self._before = None
