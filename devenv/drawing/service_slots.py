"""Which service has which colour: the same on all pages, in reports and in the terminal, without a shared state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Literal

from devenv.drawing.tokens import SERVICES
from devenv.immutable import immutable

Pattern = Literal["plain", "stripes", "dots"]

_STEP = 5
"""It and the number of colours have no common divisor, so that each colour is tried."""

_PATTERNS: tuple[Pattern, ...] = ("plain", "stripes", "dots")


@immutable()
class Slot:
    """A colour of :data:`~devenv.drawing.tokens.SERVICES` by its index, and what it is filled with."""

    number: int
    pattern: Pattern


def slots(declared: Iterable[str], seen: Iterable[str] = ()) -> Mapping[str, Slot]:
    """A slot for each service.

    A name asks for the colour that its SHA-256 gives; if that is taken, for the fifth after it, and so on. The
    thirteenth to the 24th service have the same colours with stripes, the next twelve with dots, and then it begins
    again.

    Args:
        declared: services of the stack file. They choose first, so that what is seen later does not recolour them.
        seen: all others.
    """
    first = sorted(set(declared))
    names = [*first, *sorted(set(seen) - set(first))]
    count = len(SERVICES)
    found: dict[str, Slot] = {}
    for start in range(0, len(names), count):
        pattern = _PATTERNS[start // count % len(_PATTERNS)]
        free = set(range(count))
        for name in names[start : start + count]:
            number = int.from_bytes(sha256(name.encode("utf-8", "replace")).digest()[:4], "big") % count
            while number not in free:
                number = (number + _STEP) % count
            free.discard(number)
            found[name] = Slot(number, pattern)
    return found
