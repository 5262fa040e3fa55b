"""Stack files: finds them, loads them into :class:`devenv.model.stack.Stack`, edits them, and dumps a resolved stack.

The layers, each of which imports only those after it: :mod:`~devenv.stack.loader` (imports the rest only when called)
and :mod:`~devenv.stack.location`, :mod:`~devenv.stack.assembly` (the pipeline), ``checks``, ``readers``, ``compose``,
``env``, ``yaml``, :mod:`~devenv.stack.problems`. :mod:`~devenv.stack.origins` and ``edit`` use ``yaml`` only.

Other packages import :mod:`~devenv.stack.discovery`, :mod:`~devenv.stack.location`, :mod:`~devenv.stack.loader`,
:mod:`~devenv.stack.dump` and :mod:`~devenv.stack.edit`. Nothing heavy is imported here: ``dump`` and ``edit`` are
imported by name.
"""

from devenv.stack.discovery import Discovery, discover, list_stacks, shipped_stacks, shipped_templates
from devenv.stack.loader import load_stack, load_stack_and_origins, load_with_origins, stack_origins

__all__ = [
    "Discovery",
    "discover",
    "list_stacks",
    "load_stack",
    "load_stack_and_origins",
    "load_with_origins",
    "shipped_stacks",
    "shipped_templates",
    "stack_origins",
]
