"""Interpolation by the Compose Spec: ``$VAR ${VAR} ${VAR:-d} ${VAR-d} ${VAR:?e} ${VAR?e} ${VAR:+r} ${VAR+r} $$``.

Defaults, replacements and error texts are interpolated only if they are used, as in a shell. A ``$`` that starts none
of these forms stays unchanged. Format: https://docs.docker.com/reference/compose-file/interpolation/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from devenv.immutable import immutable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_OPERATOR = re.compile(r":[-?+]|[-?+]")
_BRACE = re.compile(r"[{}]")
_FORMS = "$VAR, ${VAR}, ${VAR:-default}, ${VAR:?error} or ${VAR:+replacement}; $$ for a dollar sign"


MAXIMUM_DEPTH = 50
"""Levels of expressions inside expressions."""
MAXIMUM_USES = 50_000
"""Uses of variables in one file."""
MAXIMUM_EXPANDED = 8 * 1024 * 1024
"""Characters that variables add to one file; a few lines of ``B=$A$A`` would otherwise fill the memory."""


@immutable()
class Variable:
    """A variable's value and its origin (``the environment``, ``.env:3:1``)."""

    value: str
    origin: str


Lookup = Callable[[str], Variable | None]


def lookup_in(environ: Mapping[str, str], *fallbacks: Mapping[str, Variable]) -> Lookup:
    """Return a lookup that searches the environment, then each of ``fallbacks``."""

    def lookup(name: str) -> Variable | None:
        if name in environ:
            return Variable(environ[name], "the environment")
        return next((fallback[name] for fallback in fallbacks if name in fallback), None)

    return lookup


class TemplateError(ValueError):
    """A template that cannot be interpolated.

    Args:
        message: what is wrong.
        offset: index in the template of the ``$`` of the expression.
        expected: what is allowed.
        hint: what to do.
    """

    def __init__(self, message: str, offset: int, *, expected: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.expected = expected
        self.hint = hint


@immutable()
class Use:
    """A use of a variable; ``variable`` is ``None`` if it is not set, which is allowed if ``defaulted``."""

    name: str
    offset: int
    variable: Variable | None
    defaulted: bool


@immutable()
class Substitution:
    """An interpolated text and the variables used in it, in order."""

    text: str
    uses: tuple[Use, ...]


@dataclass(slots=True)
class ExpansionBudget:
    """What the variables of a file may still add to it: ``characters``, in ``uses``."""

    characters: int = MAXIMUM_EXPANDED
    uses: int = MAXIMUM_USES

    @property
    def spent(self) -> bool:
        """Whether a limit was passed, which is a problem by then."""
        return self.characters < 0 or self.uses < 0


def substitute(template: str, lookup: Lookup, budget: ExpansionBudget | None = None) -> Substitution:
    """Return ``template`` with its variables replaced.

    Args:
        template: the text.
        lookup: finds the variables.
        budget: shared by all texts of one file; what the variables add is taken from it.

    Raises:
        TemplateError: If an expression is malformed, a required variable is missing, or the text is nested too deeply
            or expands too far.
    """
    run = _Run(template, lookup, budget or ExpansionBudget())
    text = run.expand(0, len(template), 0)
    return Substitution(text, tuple(run.uses))


class _Run:
    """One interpolation of one template; offsets count from the start of the whole template, at any nesting depth."""

    def __init__(self, template: str, lookup: Lookup, budget: ExpansionBudget) -> None:
        self._template = template
        self._lookup = lookup
        self._budget = budget
        self._closings = _closing_braces(template)
        self.uses: list[Use] = []

    def expand(self, start: int, end: int, depth: int) -> str:
        """The text of ``template[start:end]`` with its expressions replaced."""
        parts: list[str] = []
        position = start
        while (dollar := self._template.find("$", position, end)) >= 0:
            parts.append(self._template[position:dollar])
            text, position = self._expression(dollar, end, depth)
            parts.append(text)
        parts.append(self._template[position:end])
        return "".join(parts)

    def _expression(self, dollar: int, end: int, depth: int) -> tuple[str, int]:
        """The value of the expression at ``dollar``, and the index after it."""
        following = self._template[dollar + 1 : dollar + 2] if dollar + 1 < end else ""
        if following == "$":
            return "$", dollar + 2
        if following == "{":
            if depth >= MAXIMUM_DEPTH:
                raise TemplateError(f"expressions nested more than {MAXIMUM_DEPTH} levels deep", dollar)
            closing = self._closing(dollar, end)
            return self._braced(dollar, closing, depth + 1), closing + 1
        name = _NAME.match(self._template, dollar + 1, end)
        if name is None:
            return "$", dollar + 1
        return self._value(name.group(), dollar), name.end()

    def _closing(self, dollar: int, end: int) -> int:
        """Index of the brace that closes the expression at ``dollar``; braces inside it must balance."""
        closing = self._closings.get(dollar + 1, end)
        if closing < end:
            return closing
        raise TemplateError("unclosed ${", dollar, expected=_FORMS, hint="close it with }, or write $$ for a dollar")

    def _braced(self, dollar: int, closing: int, depth: int) -> str:
        name = _NAME.match(self._template, dollar + 2, closing)
        if name is None:
            raise TemplateError("${…} without a variable name", dollar, expected=_FORMS)
        if name.end() == closing:
            return self._value(name.group(), dollar)
        operator = _OPERATOR.match(self._template, name.end(), closing)
        if operator is None:
            raise TemplateError(f"unknown operator after {name.group()}", dollar, expected=_FORMS)
        return self._operate(name.group(), operator.group(), dollar, operator.end(), closing, depth)

    def _operate(self, name: str, operator: str, dollar: int, start: int, end: int, depth: int) -> str:
        variable = self._lookup(name)
        present = variable is not None and not (operator.startswith(":") and not variable.value)
        self._use(Use(name, dollar, variable, defaulted=True))
        kind = operator[-1]
        if kind == "+":
            return self.expand(start, end, depth) if present else ""
        if present and variable is not None:
            return self._added(variable.value, dollar)
        if kind == "-":
            return self.expand(start, end, depth)
        reason = self.expand(start, end, depth)
        state = "empty" if variable is not None else "not set"
        message = f"required variable {name} is {state}" + (f": {reason}" if reason else "")
        raise TemplateError(
            message, dollar, expected=f"a value for {name}", hint=f"set {name} in the environment or .env"
        )

    def _value(self, name: str, dollar: int) -> str:
        variable = self._lookup(name)
        self._use(Use(name, dollar, variable, defaulted=False))
        return self._added(variable.value, dollar) if variable else ""

    def _use(self, use: Use) -> None:
        self._budget.uses -= 1
        if self._budget.uses < 0:
            raise TemplateError(f"more than {MAXIMUM_USES} uses of variables in one file", use.offset)
        self.uses.append(use)

    def _added(self, value: str, dollar: int) -> str:
        """``value``, which the variable at ``dollar`` adds to the text."""
        self._budget.characters -= len(value)
        if self._budget.characters < 0:
            raise TemplateError(f"variables add more than {MAXIMUM_EXPANDED // 2**20} MiB to the file", dollar)
        return value


def _closing_braces(template: str) -> dict[int, int]:
    """The index of the closing brace for that of each opening brace after a dollar sign, if it is closed."""
    if "${" not in template:
        return {}
    closings: dict[int, int] = {}
    opened: list[int] = []
    for brace in _BRACE.finditer(template):
        index = brace.start()
        if brace.group() == "{":
            opened.append(index)
        elif opened and template.startswith("$", (opening := opened.pop()) - 1):
            closings[opening] = index
    return closings
