"""IDs by a generator of the program or of an installed package, in the SDK's `IdGenerator` interface."""

from __future__ import annotations

import logging
from typing import Any

from devenv.tracing.light.exceptions import described
from devenv.tracing.light.notices import warn_once
from devenv.tracing.light.unsampled import RANDOM, new_span_id, new_trace_hex

_log = logging.getLogger(__name__)

GROUP = "opentelemetry_id_generator"


class CustomIds:
    """Asks a generator for each ID; random ones, with a warning, if it fails.

    Args:
        generator: An object with `generate_trace_id` and `generate_span_id`.

    Attributes:
        generator: The same object.
        random: The W3C flag of random trace IDs, if the generator's are.
    """

    def __init__(self, generator: Any) -> None:
        self.generator = generator
        is_random = getattr(generator, "is_trace_id_random", None)
        self.random = RANDOM if is_random is not None and is_random() else 0

    def trace_hex(self) -> str:
        """Return a new trace ID as 32 hexadecimal digits."""
        number = self._ask("generate_trace_id", 128)
        return f"{number:032x}" if number else new_trace_hex()

    def span_id(self) -> int:
        """Return a new span ID."""
        return self._ask("generate_span_id", 64) or new_span_id()

    def _ask(self, method: str, bits: int) -> int:
        try:
            number = int(getattr(self.generator, method)())
        except Exception as error:  # noqa: BLE001 - logged; the program's generator must not break its requests
            warn_once(_log, "the ID generator %s failed: %s", type(self.generator).__name__, described(error))
            return 0
        if not 0 < number < 1 << bits:
            warn_once(_log, "the ID generator %s returned an invalid ID", type(self.generator).__name__)
            return 0
        return number


def installed_generator(name: str) -> Any:
    """Return the generator of an entry point, None, with a warning if there is none or it fails, for random IDs."""
    if name == "random":
        return None
    from devenv.tracing.process.entry_points import entry_points

    found = next(iter(entry_points(GROUP, name)), None)
    if found is None:
        warn_once(_log, "OTEL_PYTHON_ID_GENERATOR: %s is not installed; IDs are random", repr(name))
        return None
    try:
        return found.load()()
    except Exception as error:  # noqa: BLE001 - logged; a package that fails must not stop the program
        warn_once(_log, "cannot load the ID generator %s: %s", name, described(error))
        return None
