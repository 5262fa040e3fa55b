"""Stack files: finding them, loading them into :class:`devenv.model.stack.Stack`, and writing a stack out in full.

Nothing heavy is imported here: :mod:`devenv.stack.dump` and :mod:`devenv.stack.origins` are imported by name.
"""

from devenv.stack.discovery import Discovery, discover, list_stacks, shipped_stacks, shipped_templates
from devenv.stack.loader import load_stack, load_with_origins

__all__ = [
    "Discovery",
    "discover",
    "list_stacks",
    "load_stack",
    "load_with_origins",
    "shipped_stacks",
    "shipped_templates",
]
