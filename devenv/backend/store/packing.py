"""Which traces are packed, and when: all but the newest, those of a service together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from devenv.backend.store.packs import AVAILABLE, LARGEST, PACK_BYTES, Pack, packed
from devenv.backend.store.records import APART, RECENT, StoredService, StoredTrace

# Packs made for one batch, a tenth of a millisecond each; a full batch of spans brings three or four.
_AT_ONCE = 16


class Packing:
    """The newest traces in order of arrival, and the packs of older ones.

    Args:
        limit: encoded bytes of the newest traces, which stay as they are.
        charge: counts bytes of memory for the service of a trace.

    Attributes:
        recent: the newest traces; new ones are to be appended.
        bytes: of them, encoded; what is appended to one of them is to be added.
    """

    def __init__(self, limit: int, charge: Callable[[StoredTrace, int], None]) -> None:
        self._limit = limit
        self._charge = charge
        self.recent: deque[StoredTrace] = deque()
        self.bytes = 0

    def unpack(self, trace: StoredTrace) -> bytes:
        """Return an encoded trace that is going to grow, and is not packed any more."""
        raw = trace.raw
        if isinstance(trace.stored, Pack):
            self._leave(trace, trace.stored)
            trace.stored = raw
            trace.place = RECENT
            self.recent.append(trace)
            self.bytes += len(raw)
            self._charge(trace, len(raw))
        return raw

    def remove(self, trace: StoredTrace) -> None:
        """Forget a trace, before its service is."""
        if isinstance(trace.stored, Pack):
            self._leave(trace, trace.stored)
        elif trace.place == RECENT:
            self.bytes -= len(trace.stored)
        trace.place = APART

    def _leave(self, trace: StoredTrace, pack: Pack) -> None:
        pack.members -= 1
        if not pack.members:
            self._charge(trace, -pack.cost)

    def pack(self, most: int = _AT_ONCE) -> None:
        """Pack the oldest of the newest traces while they have too many bytes, in at most ``most`` packs."""
        while self.bytes > self._limit and most > 0:
            trace = self.recent.popleft()
            service = trace.owner
            if service is None or trace.place != RECENT or not isinstance(trace.stored, bytes):
                continue  # evicted
            size = len(trace.stored)
            self.bytes -= size
            trace.place = APART
            if AVAILABLE and size <= LARGEST:
                service.old.append(trace)
                service.old_bytes += size
                if service.old_bytes >= PACK_BYTES:
                    most -= 1
                    self._pack(service)

    def _pack(self, service: StoredService) -> None:
        members, raws = [], []
        for trace in service.old:
            raw = trace.stored
            if trace.owner is not None and isinstance(raw, bytes) and len(raw) <= LARGEST:  # it may have grown
                members.append(trace)
                raws.append(raw)
        service.old, service.old_bytes = [], 0
        pack = packed(raws)
        if pack is None:
            return
        for place, trace in enumerate(members):
            trace.stored, trace.place = pack, place
        self._charge(members[0], pack.cost - sum(map(len, raws)))
