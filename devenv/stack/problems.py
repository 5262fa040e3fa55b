"""Collects all problems of a stack, so that one run reports all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from devenv.errors import Location, StackFileError
from devenv.immutable import immutable
from devenv.model.stack import StackWarning

_FOUND_LENGTH = 60


@immutable(kw_only=True)
class Problem:
    """One problem, with the arguments of :class:`devenv.errors.StackFileError`."""

    message: str
    location: Location | None = None
    key: str = ""
    found: str = ""
    expected: str = ""
    hint: str = ""

    def error(self, others: tuple[StackFileError, ...] = ()) -> StackFileError:
        """Return the exception for this problem, with ``others`` attached."""
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
    """Return the problem of an exception."""
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
    """Problems and warnings in the order in which they were found, without repeats."""

    found: list[Problem] = field(default_factory=list)
    warnings: list[StackWarning] = field(default_factory=list)
    _noted: set[Problem | StackWarning] = field(default_factory=set)

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
        """Note a problem that makes the stack unusable."""
        problem = Problem(
            message=message, location=location, key=key, found=shorten(found), expected=expected, hint=hint
        )
        if problem not in self._noted:
            self._noted.add(problem)
            self.found.append(problem)

    def warn(self, message: str, location: Location) -> None:
        """Note something that devenv ignores."""
        warning = StackWarning(message=message, location=location)
        if warning not in self._noted:
            self._noted.add(warning)
            self.warnings.append(warning)

    def check(self, files: Iterable[str] = ()) -> None:
        """Raise the first problem by place (``files`` is the order of files), with the rest as its ``others``.

        Raises:
            StackFileError: If there is a problem.
        """
        if not self.found:
            return
        order = {file: index for index, file in enumerate(files)}
        first, *rest = sorted(self.found, key=lambda problem: _rank(problem.location, order))
        raise first.error(tuple(problem.error() for problem in rest))


def _rank(location: Location | None, order: dict[str, int]) -> tuple[int, int, int]:
    """Sort key of a place: by file, line and column; problems without a place come last."""
    if location is None:
        return (len(order) + 1, 0, 0)
    return (order.get(location.file, len(order)), location.line, location.column)


def shorten(text: str) -> str:
    """Return ``text`` on one line of at most 60 characters."""
    line = " ".join(text.split())
    return line if len(line) <= _FOUND_LENGTH else line[: _FOUND_LENGTH - 1] + "…"
