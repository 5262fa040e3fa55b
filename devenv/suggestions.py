"""Names that resemble a given one, for hints such as ``did you mean 'web'?``."""

from __future__ import annotations

from collections.abc import Iterable


def suggest(name: str, known: Iterable[str]) -> str:
    """Return a hint with the most similar of ``known``, or an empty string if none is similar."""
    import difflib  # only an error needs it

    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {nearest[0]!r}?" if nearest else ""


def is_slip(name: str, word: str) -> bool:
    """Return whether ``name`` is ``word`` except for one letter: another, one more, one less, or two swapped."""
    start = 0
    while start < min(len(name), len(word)) and name[start] == word[start]:
        start += 1
    found, meant = name[start:], word[start:]
    while found and meant and found[-1] == meant[-1]:
        found, meant = found[:-1], meant[:-1]
    return max(len(found), len(meant)) <= 1 or (len(found) == 2 and found == meant[::-1])
