"""Reads the files of one stack: its own, included and extended ones, within bounds that all of them share.

A file may include others any number of times, and a service may extend others: a few lines could otherwise read and
expand without end.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from devenv.errors import Location, StackFileError
from devenv.stack.compose.canonical import canonical
from devenv.stack.compose.substitution import interpolate
from devenv.stack.documents.scope import ReadingScope
from devenv.stack.env.interpolation import ExpansionBudget
from devenv.stack.problems import Problems, as_problem
from devenv.stack.readers.cursor import Cursor
from devenv.stack.yaml.nodes import MapNode, describe, is_null
from devenv.stack.yaml.parser import MAXIMUM_NODES, parse
from devenv.stack.yaml.text_file import display, plain_text, read_text

MAXIMUM_FILES = 200
"""Files that a stack may include and extend, each as often as it is used."""
MAXIMUM_DEPTH = 50
"""Files that include each other, and services that extend each other."""
MAXIMUM_BYTES = 32 * 1024 * 1024
"""Bytes of all included and extended files, each as often as it is used."""
MAXIMUM_VALUES = 4 * MAXIMUM_NODES
"""Values of all included files and of all services that extend others."""


class Sources:
    """The files of one stack.

    Attributes:
        problems: receives what is wrong.
        files: the files that were read, as shown in messages.
        incomplete: whether a part of the stack is missing, so that further checks would mislead.
    """

    def __init__(self, texts: Mapping[Path, str], problems: Problems) -> None:
        self.problems = problems
        self.files: list[str] = []
        self.incomplete = False
        self._texts = texts
        self._parsed: dict[Path, list[MapNode]] = {}
        self._budget = ExpansionBudget()
        self._reads = 0
        self._bytes = 0
        self._values = 0
        self._exceeded = False

    def own(self, path: Path) -> list[MapNode]:
        """Return the documents of one of the stack's own files; several in one file are merged like several files."""
        try:
            return self._documents(path)
        except StackFileError as error:
            self.problems.found.append(as_problem(error))
            return []

    def further(self, path: Path, asked: Cursor) -> list[MapNode]:
        """Return the documents of a file that the value ``asked`` names; what is wrong with the file is noted there."""
        if not self.admit(path, asked):
            return []
        try:
            return self._documents(path)
        except StackFileError as error:
            self.unreadable(error, asked)
            return []

    def admit(self, path: Path, asked: Cursor) -> bool:
        """Return whether one more file may be read; that a limit is passed is a problem once."""
        self._reads += 1
        with suppress(OSError):  # reading it reports that
            self._bytes += path.stat().st_size
        if self._reads > MAXIMUM_FILES:
            return self._exceed(asked, f"more than {MAXIMUM_FILES} files are included or extended")
        if self._bytes > MAXIMUM_BYTES:
            mebibytes = MAXIMUM_BYTES // 2**20
            return self._exceed(asked, f"the included and extended files have more than {mebibytes} MiB")
        return not self._exceeded

    def unreadable(self, error: StackFileError, asked: Cursor) -> None:
        """Note what is wrong with a file: at its place in the file, else where the file is named."""
        problem = as_problem(error)
        self.incomplete = True
        if problem.location is not None and problem.location.line:
            self.problems.found.append(problem)
            return
        shown = problem.location.file if problem.location else ""
        hint = "" if "-f" in problem.hint else problem.hint
        self.fail(asked, f"{shown}: {problem.message}", hint=hint or "correct the path")

    def fail(self, asked: Cursor, message: str, *, expected: str = "", hint: str = "") -> None:
        """Note a problem with the value ``asked`` that leaves the stack incomplete."""
        self.incomplete = True
        asked.error(message, expected=expected, hint=hint)

    def count(self, values: int, asked: Cursor) -> bool:
        """Return whether ``values`` further values may be part of the stack."""
        self._values += values
        if self._values > MAXIMUM_VALUES:
            return self._exceed(asked, f"include and extends expand to more than {MAXIMUM_VALUES} values")
        return not self._exceeded

    def _exceed(self, asked: Cursor, message: str) -> bool:
        if not self._exceeded:
            self._exceeded = True
            self.fail(asked, message)
        return False

    def layer(self, document: MapNode, scope: ReadingScope, *, shared: bool = False) -> MapNode | None:
        """Return ``document`` interpolated and in long form.

        Args:
            document: as parsed.
            scope: the meaning of its values.
            shared: whether what variables add counts together with all other such documents.
        """
        node = interpolate(document, scope.lookup, self.problems, budget=self._budget if shared else None)
        return canonical(node, self.problems) if isinstance(node, MapNode) else None

    def _documents(self, path: Path) -> list[MapNode]:
        if path not in self._parsed:
            self._parsed[path] = self._parse(path)
        return self._parsed[path]

    def _parse(self, path: Path) -> list[MapNode]:
        shown = display(path)
        self.files.append(shown)
        text = self._texts.get(path)
        nodes = parse(read_text(path) if text is None else plain_text(text), shown, self.problems)
        documents = [node for node in nodes if not is_null(node)]
        if not documents:
            self.problems.add("the file is empty", Location(shown, 1, 1), expected="a mapping with services:")
        for node in documents:
            if not isinstance(node, MapNode):
                self.problems.add(
                    "the stack file must be a mapping",
                    node.place,
                    found=describe(node),
                    expected="a mapping with services:",
                )
        return [node for node in documents if isinstance(node, MapNode)]
