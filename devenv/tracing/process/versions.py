"""What the library uses and Python 3.9 lacks; the tool itself requires 3.11."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

if sys.version_info >= (3, 10):
    from typing import ParamSpec
else:
    from typing_extensions import ParamSpec  # installed with opentelemetry-api

__all__ = ["SLOTS", "ParamSpec"]

SLOTS: Final[Mapping[str, bool]] = {"slots": True} if sys.version_info >= (3, 10) else {}
"""For `@dataclass(**SLOTS)`: Python 3.9 has no dataclasses with slots whose fields have defaults."""
