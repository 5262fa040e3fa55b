"""Places the services of a map in columns: callers to the left of the services that they call."""

from __future__ import annotations

from devenv.immutable import immutable

WIDTH = 170
HEIGHT = 46
_GAP_X = 150
_GAP_Y = 44
_MARGIN = 44

Pair = tuple[str, str]


@immutable()
class Placed:
    """Top left corners of the services' boxes, and the size of the whole."""

    at: dict[str, tuple[float, float]]
    width: int
    height: int


def place(services: set[str], edges: set[Pair]) -> Placed:
    """A column is the longest path from a service without callers; calls that close a cycle are ignored."""
    columns = _columns(services | {name for pair in edges for name in pair}, edges)
    levels: dict[int, list[str]] = {}
    for name, column in sorted(columns.items()):
        levels.setdefault(column, []).append(name)
    tallest = max((len(names) for names in levels.values()), default=1)
    at: dict[str, tuple[float, float]] = {}
    for column, names in levels.items():
        top = _MARGIN + (tallest - len(names)) * (HEIGHT + _GAP_Y) / 2
        for row, name in enumerate(names):
            at[name] = (_MARGIN + column * (WIDTH + _GAP_X), top + row * (HEIGHT + _GAP_Y))
    width = 2 * _MARGIN + len(levels) * (WIDTH + _GAP_X) - _GAP_X
    height = 2 * _MARGIN + tallest * (HEIGHT + _GAP_Y) - _GAP_Y
    return Placed(at, max(width, 760), height)


def over_columns(x1: float, x2: float) -> float:
    """How far a curve's control points are lifted, so that a call over columns passes above the boxes between."""
    return HEIGHT + _GAP_Y / 2 if abs(x2 - x1) > WIDTH + _GAP_X else 0.0


def _columns(names: set[str], edges: set[Pair]) -> dict[str, int]:
    calls: dict[str, list[str]] = {}
    called = set()
    for parent, child in sorted(edges):
        if parent != child:
            calls.setdefault(parent, []).append(child)
            called.add(child)
    forward = _without_circles(sorted(names, key=lambda name: (name in called, name)), calls)
    columns = dict.fromkeys(names, 0)
    # Relaxing once for each service is enough without circles.
    for _ in names:
        moved = False
        for parent, child in forward:
            if columns[child] <= columns[parent]:
                columns[child] = columns[parent] + 1
                moved = True
        if not moved:
            break
    return columns


def _without_circles(order: list[str], calls: dict[str, list[str]]) -> list[Pair]:
    kept: list[Pair] = []
    done: set[str] = set()
    for root in order:
        path = {root}
        stack = [(root, iter(calls.get(root, ())))] if root not in done else []
        while stack:
            name, children = stack[-1]
            child = next(children, None)
            if child is None:
                stack.pop()
                path.discard(name)
                done.add(name)
            elif child not in path:
                kept.append((name, child))
                if child not in done:
                    path.add(child)
                    stack.append((child, iter(calls.get(child, ()))))
    return kept
