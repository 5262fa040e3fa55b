"""The table of our spans beside the stock instrumentations', each difference with the rule that decides it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from side_by_side.facts import Facts

ABSENT, SAME, UNDECIDED = "-", "=", "?"
_WIDTHS = (46, 48, 40)


@dataclass(frozen=True)
class Rule:
    """What decides a difference: a section of OpenTelemetry's specification, in our own words.

    The patterns match the whole text of a row's fact, cells and place; a missing one matches everything. `for_` names
    which of the two is right: `ours`, `stock`, `both` or, for a fault of ours that is known, `fault`.
    """

    name: str
    for_: str
    section: str
    words: str
    fact: str = ".*"
    ours: str = ".*"
    stock: str = ".*"
    place: str = ".*"

    def decides(self, row: Row, place: str) -> bool:
        """Return whether the rule is about a row."""
        texts = ((self.fact, row.fact), (self.ours, row.ours), (self.stock, row.stock), (self.place, place))
        return all(re.fullmatch(pattern, text) for pattern, text in texts)


@dataclass(frozen=True)
class Row:
    """One fact. `stock` is `=` if it is the same."""

    fact: str
    ours: str
    stock: str


def rules(path: Path) -> list[Rule]:
    """Read the rules; the first that matches decides."""
    return [Rule(name=name, for_=value.pop("for"), **value) for name, value in yaml.safe_load(path.read_text()).items()]


def rows(auto: Facts, hand: Facts, stock: Facts) -> list[Row]:
    """Compare the facts of one situation; spans that only one of the two has are one row for each name."""
    left, by_hand = _folded(auto, stock), _folded(hand, stock)
    for name in dict.fromkeys([*left, *by_hand]):
        if left.get(name) != by_hand.get(name):
            left[name] = f"{left.get(name, ABSENT)}; by hand: {by_hand.get(name, ABSENT)}"
    right = _folded(stock, {**auto, **hand})
    found = []
    for name in [*left, *(name for name in right if name not in left)]:
        mine, theirs = left.get(name, ABSENT), right.get(name, ABSENT)
        found.append(Row(name, mine, SAME if mine == theirs else theirs))
    return found


def _folded(facts: Facts, others: Facts) -> Facts:
    """Return facts in which a span without its like on the other side is one fact, with its number and parent."""
    known = {_span(name) for name in others}
    found: Facts = {}
    counts: dict[str, int] = {}
    for name, value in facts.items():
        span = _span(name)
        if name in {"response", "sent"} or span in known:
            found[name] = value
        elif name.endswith(": parent"):
            further = f"further span {span.partition(' #')[0]}"
            counts[further] = counts.get(further, 0) + 1
            first = found.get(further, f"{facts[f'{span}: kind']} below {value}").partition(" (")[0]
            found[further] = first if counts[further] == 1 else f"{first} ({counts[further]})"
    return found


def _span(name: str) -> str:
    return name.rpartition(": ")[0]


def rendered(
    title: str, found: Mapping[str, Mapping[str, Iterable[Row]]], decided_by: list[Rule]
) -> tuple[str, list[str]]:
    """Write the table.

    Args:
        title: The first line.
        found: Rows by framework or client, and situation.
        decided_by: The rules.

    Returns:
        The text, and the differences that no rule decides.
    """
    lines = [title, ""]
    undecided = []
    for subject, situations in found.items():
        for situation, compared in situations.items():
            place = f"{subject}, {situation}"
            lines += [place, "-" * len(place), _line("", "devenv.tracing", "stock", "")]
            for row in compared:
                mark = "" if row.stock == SAME else _decision(row, place, decided_by)
                if mark == UNDECIDED:
                    undecided.append(f"{place}: {row.fact}: {row.ours} | {row.stock}")
                lines.append(_line(row.fact, row.ours, row.stock, mark))
            lines.append("")
    return "\n".join(lines), undecided


def _decision(row: Row, place: str, decided_by: list[Rule]) -> str:
    for rule in decided_by:
        if rule.decides(row, place):
            return f"{rule.name}: {rule.for_}"
    return UNDECIDED


def _line(*cells: str) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, (*_WIDTHS, 0), strict=True)).rstrip()
