"""Stack files: finding them, loading them into :class:`devenv.model.stack.Stack`, and writing a stack out in full."""

from devenv.stack.api import dump, dump_yaml, load_stack, load_with_origins
from devenv.stack.discovery import Discovery, discover, list_stacks, shipped_stacks

__all__ = [
    "Discovery",
    "discover",
    "dump",
    "dump_yaml",
    "list_stacks",
    "load_stack",
    "load_with_origins",
    "shipped_stacks",
]
