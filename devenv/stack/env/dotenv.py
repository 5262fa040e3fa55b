r"""Reads ``.env`` and ``env_file`` files by the rules of Compose.

A statement is ``NAME=value``, ``NAME: value`` or ``export NAME=value``; a ``NAME`` alone has its value from the
environment. Unquoted values end at the end of the line or before `` #``. Double-quoted values may contain escapes
(``\n``, ``\"``, ``\$``) and several lines. Both are interpolated; single-quoted values are literal.
Format: https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/#env-file-syntax
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from devenv.errors import Location, StackFileError
from devenv.stack.env.interpolation import ExpansionBudget, Lookup, TemplateError, Variable, substitute
from devenv.stack.problems import Problems, as_problem
from devenv.stack.yaml.text_file import display, place_of, read_text

_BLANK = re.compile(r"(?:\s+|#[^\n]*)*")
_EXPORT = re.compile(r"export[ \t]+")
_NAME = re.compile(r"[\w.\[\]-]+")
_SEPARATOR = re.compile(r"[ \t]*[=:][ \t]*")
_LINE_END = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_ESCAPE = re.compile(r'\\([abfnrtv$"\\]|0[0-7]{0,3})')
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", '"': '"', "\\": "\\"}


def read_dotenv(
    path: Path,
    lookup: Lookup,
    problems: Problems,
    *,
    raw: bool = False,
    earlier: Mapping[str, Variable] = MappingProxyType({}),
) -> dict[str, Variable]:
    """Return the variables of the file; reading stops at the first problem, which goes to ``problems``.

    Args:
        path: the file.
        lookup: finds variables for interpolation; it takes precedence over earlier variables of the file.
        problems: receives what is wrong with the file.
        raw: use values unchanged (``format: raw``).
        earlier: variables of files read before, which the file can use and replace; they are returned as well.

    Raises:
        StackFileError: If the file cannot be read.
    """
    text = read_text(path)
    file = display(path)
    reader = _Reader(text, file, lookup, problems, earlier)
    try:
        if raw:
            reader.read_raw()
        else:
            reader.read()
    except StackFileError as error:
        problems.found.append(as_problem(error))
    return reader.variables


class _Reader:
    """Reads one file statement by statement."""

    def __init__(
        self, text: str, file: str, lookup: Lookup, problems: Problems, earlier: Mapping[str, Variable]
    ) -> None:
        self._text = text
        self._file = file
        self._environment = lookup
        self._problems = problems
        self._budget = ExpansionBudget()
        self._position = 0
        self._counted = (0, 1)
        self.variables: dict[str, Variable] = dict(earlier)

    def read(self) -> None:
        while self._skip(_BLANK) and self._position < len(self._text):
            self._skip(_EXPORT)
            start = self._position
            name = self._name(start)
            if not self._skip(_SEPARATOR):
                self._inherit(name, start)
                continue
            value = self._value()
            self.variables[name] = Variable(value, str(self._place(start)))

    def read_raw(self) -> None:
        for number, line in enumerate(self._text.split("\n"), start=1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            name, separator, value = line.partition("=")
            if not separator:
                found = self._environment(name.strip())
                if found:
                    self.variables[name.strip()] = found
                continue
            self.variables[name.strip()] = Variable(value, str(Location(self._file, number, 1)))

    def _skip(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self._text, self._position)
        if match:
            self._position = match.end()
        return match is not None

    def _name(self, start: int) -> str:
        match = _NAME.match(self._text, start)
        if match is None:
            line = self._text[start:].partition("\n")[0]
            raise self._error("not a valid variable name", start, found=line, expected="NAME=value")
        self._position = match.end()
        return match.group()

    def _inherit(self, name: str, start: int) -> None:
        """A name alone: its value is that in the environment, if any."""
        if not self._skip(_LINE_END):
            line = self._text[start:].partition("\n")[0]
            raise self._error("invalid character in a variable name", self._position, found=line, expected="NAME=value")
        found = self._environment(name)
        if found:
            self.variables[name] = found

    def _value(self) -> str:
        quote = self._text[self._position : self._position + 1]
        return self._quoted(quote) if quote in ('"', "'") else self._unquoted()

    def _unquoted(self) -> str:
        start = self._position
        end = self._text.find("\n", start)
        end = len(self._text) if end < 0 else end
        self._position = end
        value = self._text[start:end]
        value = value.partition(" #")[0].rstrip()
        return self._expand(value, start)

    def _quoted(self, quote: str) -> str:
        start = self._position
        position = start + 1
        while position < len(self._text) and self._text[position] != quote:
            position += 2 if self._text[position] == "\\" else 1
        if position >= len(self._text):
            raise self._error("unclosed quote", start, expected=f"a closing {quote}")
        body = self._text[start + 1 : position]
        self._position = position + 1
        if not self._skip(_LINE_END):
            raise self._error("text after a quoted value", self._position, expected="the end of the line or a comment")
        if quote == "'":
            return body.replace("\\'", "'")
        return self._expand(_ESCAPE.sub(_unescape, body), start)

    def _expand(self, value: str, start: int) -> str:
        try:
            result = substitute(value, self._lookup, self._budget)
        except TemplateError as error:
            raise self._error(error.message, start, found=value, expected=error.expected, hint=error.hint) from error
        for use in result.uses:
            if use.variable is None and not use.defaulted:
                message = f"variable {use.name} is not set; using an empty string"
                self._problems.warn(message, self._place(start))
        return result.text

    def _lookup(self, name: str) -> Variable | None:
        return self._environment(name) or self.variables.get(name)

    def _place(self, offset: int) -> Location:
        """The place of ``offset``; lines are counted on from the last place, so that many places cost little."""
        known, line = self._counted
        if offset < known:
            return place_of(self._text, offset, self._file)
        line += self._text.count("\n", known, offset)
        self._counted = (offset, line)
        return Location(self._file, line, offset - self._text.rfind("\n", 0, offset))

    def _error(
        self, message: str, offset: int, *, found: str = "", expected: str = "", hint: str = ""
    ) -> StackFileError:
        return StackFileError(message, location=self._place(offset), found=found, expected=expected, hint=hint)


def _unescape(match: re.Match[str]) -> str:
    escape = match.group(1)
    if escape == "$":
        return "$$"  # interpolation makes it one dollar sign
    if escape.startswith("0"):
        code = int(escape, 8)
        return chr(code) if 0 < code < 256 else match.group()  # an environment cannot contain a NUL
    return _ESCAPES[escape]
