"""Values over the last 15 minutes, one for each 10 seconds."""

from __future__ import annotations

from array import array

from devenv.immutable import immutable

SECOND = 1_000_000_000
WINDOW = 15 * 60 * SECOND
RESOLUTION = 10 * SECOND


@immutable()
class Increase:
    """What a value that only grows has grown by, and in how long: in ns, more than 0."""

    amount: float
    took: int

    @property
    def per_second(self) -> float:
        """The rate."""
        return self.amount * SECOND / self.took


class History:
    """The last value of each 10 seconds: those of the last 15 minutes, and one before, from which they grew."""

    __slots__ = ("_times", "_values")

    def __init__(self) -> None:
        self._times = array("q")
        self._values = array("d")

    def __len__(self) -> int:
        return len(self._times)

    def add(self, at: int, value: float) -> None:
        """Append a value; ``at`` is not before the last one, in ns."""
        times, values = self._times, self._values
        if len(times) > 1 and times[-1] // RESOLUTION == at // RESOLUTION:
            times[-1], values[-1] = at, value
            return
        times.append(at)
        values.append(value)
        old = 0
        while old + 1 < len(times) and times[old + 1] <= at - WINDOW:
            old += 1
        del times[:old], values[:old]

    def values(self, now: int) -> list[tuple[int, float]]:
        """Return the values of the last 15 minutes with their times."""
        return [(at, value) for at, value in zip(self._times, self._values, strict=True) if at > now - WINDOW]

    def rates(self, now: int) -> list[tuple[int, float]]:
        """Return the growth per second up to each time, from the time before."""
        found = []
        for place in range(1, len(self._times)):
            at, before = self._times[place], self._times[place - 1]
            if at > now - WINDOW and at > before:
                found.append((at, (self._values[place] - self._values[place - 1]) * SECOND / (at - before)))
        return found

    def increase(self, now: int) -> Increase | None:
        """Return the growth over the last 15 minutes, as far as they are known; None if they are not."""
        inside = [place for place, at in enumerate(self._times) if at > now - WINDOW]
        if not inside:
            return None
        first, last = max(inside[0] - 1, 0), inside[-1]
        took = self._times[last] - self._times[first]
        return Increase(self._values[last] - self._values[first], took) if took > 0 else None
