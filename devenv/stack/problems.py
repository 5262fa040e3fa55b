"""Collects everything that is wrong with a stack, so that one run names all of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from devenv.errors import Location, StackFileError
from devenv.model.stack import Warning as StackWarning

_FOUND_LENGTH = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, as the arguments of :class:`devenv.errors.StackFileError`."""

    message: str
    location: Location | None = None
    key: str = ""
    found: str = ""
    expected: str = ""
    hint: str = ""

    def error(self, others: tuple[StackFileError, ...] = ()) -> StackFileError:
        """The exception for this problem, with ``others`` behind it."""
        return StackFileError(
            self.message,
            location=self.location,
            key=self.key,
            found=self.found,
            expected=self.expected,
            hint=self.hint,
            others=others,
        )


def as_problem(error: StackFileError) -> Problem:
    """The problem that an exception stands for."""
    return Problem(
        message=str(error).removeprefix(f"{error.location}: "),
        location=error.location,
        key=error.key,
        found=error.found,
        expected=error.expected,
        hint=error.hint,
    )


@dataclass(slots=True)
class Problems:
    """Problems and warnings in the order in which they were found; each is kept once."""

    found: list[Problem] = field(default_factory=list)
    warnings: list[StackWarning] = field(default_factory=list)

    def add(
        self,
        message: str,
        location: Location | None = None,
        *,
        key: str = "",
        found: str = "",
        expected: str = "",
        hint: str = "",
    ) -> None:
        """Notes something that makes the stack unusable."""
        problem = Problem(
            message=message, location=location, key=key, found=shorten(found), expected=expected, hint=hint
        )
        if problem not in self.found:
            self.found.append(problem)

    def warn(self, message: str, location: Location) -> None:
        """Notes something that devenv does not act on."""
        warning = StackWarning(message=message, location=location)
        if warning not in self.warnings:
            self.warnings.append(warning)

    def check(self, files: Iterable[str] = ()) -> None:
        """Raises the first problem by place (``files`` gives the order of files), with the rest as its ``others``.

        Raises:
            StackFileError: there is a problem.
        """
        if not self.found:
            return
        order = {file: index for index, file in enumerate(files)}
        first, *rest = sorted(self.found, key=lambda problem: _rank(problem.location, order))
        raise first.error(tuple(problem.error() for problem in rest))


def _rank(location: Location | None, order: dict[str, int]) -> tuple[int, int, int]:
    """Sort key of a place: by file, line, column; what has no place comes last."""
    if location is None:
        return (len(order) + 1, 0, 0)
    return (order.get(location.file, len(order)), location.line, location.column)


def shorten(text: str) -> str:
    """``text`` on one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _FOUND_LENGTH else line[: _FOUND_LENGTH - 1] + "…"
