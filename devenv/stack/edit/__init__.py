"""Edits of a YAML file that leave every other line unchanged; independent of how stacks are loaded."""

from devenv.stack.edit.pieces import Piece, read_pieces
from devenv.stack.edit.yaml_text import YamlText, scalar

__all__ = ["Piece", "YamlText", "read_pieces", "scalar"]
