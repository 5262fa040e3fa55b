"""How the services of a page are marked: a stripe or a bar in the colour that each has everywhere."""

from __future__ import annotations

from collections.abc import Iterable

from devenv.drawing.markup import Child, Markup, element, join
from devenv.drawing.service_slots import Slot, slots


class ServiceMarks:
    """Marks of services.

    Args:
        seen: names of all services that the trace backend knows, so that each has the same colour on every page.
    """

    def __init__(self, seen: Iterable[str]) -> None:
        self._slots = dict(slots((), seen))

    def _slot(self, service: str) -> Slot:
        # A service whose first span arrived after the names were read.
        return self._slots.setdefault(service, slots((), [service])[service])

    def stripe(self, service: str) -> Markup:
        """A small stripe before the name of a service."""
        slot = self._slot(service)
        pattern = "" if slot.pattern == "plain" else f" {slot.pattern}"
        return element("i", class_=f"stripe s{slot.number}{pattern}", aria_hidden="true")

    def named(self, service: str, note: str = "") -> Markup:
        """A service's name with its stripe, and a note such as the number of its spans."""
        return element("span", self.stripe(service), element("bdi", service), note or None, class_="service")

    def bar(self, service: str, **place: Child) -> Markup:
        """A rectangle of SVG in the service's colour, with its pattern over it."""
        slot = self._slot(service)
        bar = element("rect", class_=f"s{slot.number}", **place)
        return bar if slot.pattern == "plain" else join(bar, element("rect", fill=f"url(#{slot.pattern})", **place))
