"""YAML text: reading files, parsing text into nodes with their places, and the values of plain scalars."""
