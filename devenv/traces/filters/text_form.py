"""The text form of a filter: ``service = web and (status = error or duration > 200ms)``.

docs/monitoring.md has its syntax. Everything that it can say, the JSON form can say, and the other way round.
"""

from __future__ import annotations

from collections.abc import Callable

from devenv.suggestions import suggest
from devenv.traces.filters.expression import (
    ATTRIBUTE_LEVELS,
    COLLECTIONS,
    MAX_DEPTH,
    TYPES,
    Attribute,
    Call,
    Collection,
    Expression,
    Field,
    FilterError,
    Reference,
    Scalar,
    Values,
)
from devenv.traces.filters.fields import ALIASES, FIELDS
from devenv.traces.filters.text_tokens import KEYWORDS, Token, tokens
from devenv.traces.filters.validation import Misfit, bounded, checked, inner

OPERATORS = {"=": "eq", "==": "eq", "!=": "ne", "<": "lt", "<=": "lte", ">": "gt", ">=": "gte", "~": "regex"}
_AFTER_REFERENCE = "one of = != < <= > >= ~, in (…), not in (…) or exists"
_QUOTE = "put it in quotes if it is a value or a key"


def parse(text: str) -> Call:
    """Read a filter.

    Raises:
        FilterError: If it is malformed; it has the column.
    """
    return _Parser(tokens(text)).parse()


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0
        self._nesting = 0
        self._quantified: tuple[str, ...] = ()

    def parse(self) -> Call:
        if self._next.kind == "end":
            raise FilterError("the filter is empty", column=1, hint="for example: service = web and status = error")
        found = self._joined("or", self._conjunction)
        if self._next.kind != "end":
            hint = "join conditions with and, or" if self._next.kind in {"word", "text"} else ""
            raise self._error("expected 'and', 'or' or the end", hint)
        try:
            bounded(found)
        except Misfit as error:
            raise FilterError(error.message, column=1, hint=error.hint) from error
        return found

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        if token.kind != "end":
            self._at += 1
        return token

    def _error(self, expected: str, hint: str = "") -> FilterError:
        return FilterError(f"found {self._next.shown}, {expected}", column=self._next.column, hint=hint)

    def _conjunction(self) -> Call:
        return self._joined("and", self._negated)

    def _joined(self, word: str, part: Callable[[], Call]) -> Call:
        found = [part()]
        while self._next.is_word(word):
            self._take()
            found.append(part())
        return found[0] if len(found) == 1 else Call(word, tuple(found))

    def _negated(self) -> Call:
        if not self._next.is_word("not"):
            return self._condition()
        token = self._take()
        return Call("not", (self._nested(token, self._negated),))

    def _nested(self, token: Token, part: Callable[[], Call]) -> Call:
        self._nesting += 1
        if self._nesting > MAX_DEPTH:
            raise FilterError(f"the filter nests more than {MAX_DEPTH} deep", column=token.column)
        found = part()
        self._nesting -= 1
        return found

    def _condition(self) -> Call:
        token = self._next
        if token.value == "(" and token.kind == "mark":
            self._take()
            return self._closed(token, self._nested(token, lambda: self._joined("or", self._conjunction)))
        if token.is_word("any"):
            return self._quantifier()
        return self._comparison()

    def _closed(self, opening: Token, found: Call) -> Call:
        if self._next.kind != "mark" or self._next.value != ")":
            raise self._error(f"expected ')' for the '(' at column {opening.column}")
        self._take()
        return found

    def _quantifier(self) -> Call:
        self._take()
        name = self._next
        if name.kind != "word" or name.value not in COLLECTIONS:
            expected = f"expected one of {', '.join(COLLECTIONS)} after 'any'"
            raise self._error(expected, suggest(name.value, COLLECTIONS))
        self._take()
        opening = self._next
        self._expect("(", f"expected '(' after 'any {name.value}'")
        collection, outer = Collection(name.value), self._quantified
        self._check(Call("some", (collection, Call("exists", ()))), [name], name)
        self._quantified = inner(collection, outer)
        condition = self._closed(opening, self._nested(opening, lambda: self._joined("or", self._conjunction)))
        self._quantified = outer
        return Call("some", (collection, condition))

    def _expect(self, mark: str, expected: str) -> Token:
        if self._next.kind != "mark" or self._next.value != mark:
            raise self._error(expected)
        return self._take()

    def _comparison(self) -> Call:
        subject = self._next
        reference = self._reference("a field, an attribute, 'not', 'any' or '('")
        operator = self._next
        if operator.kind == "operator":
            self._take()
            value_token = self._next
            value = self._value()
            call = Call(OPERATORS[operator.value], (reference, value))
            return self._check(call, [subject, value_token], operator)
        if operator.is_word("exists"):
            self._take()
            return self._check(Call("exists", (reference,)), [subject], operator)
        if operator.is_word("not", "in"):
            return self._membership(reference, subject)
        hint = suggest(operator.value, ["and", "or", "in", "exists", "not"]) if operator.kind == "word" else ""
        raise self._error(f"expected {_AFTER_REFERENCE}", hint)

    def _membership(self, reference: Reference, subject: Token) -> Call:
        operator = self._take()
        negated = operator.is_word("not")
        if negated and not self._next.is_word("in"):
            raise self._error(
                "expected 'in' after 'not'", "write 'not' in front of a condition: not http.route = /health"
            )
        if negated:
            self._take()
        type_ = self._take().value if self._next.is_word(*TYPES) else ""
        self._expect("(", "expected '(' and values separated by commas")
        first = self._next
        values = [self._literal()]
        while self._next.kind == "mark" and self._next.value == ",":
            self._take()
            values.append(self._literal())
        self._expect(")", "expected ',' or ')'")
        if type_ or isinstance(reference, Field):
            call = Call("not_in" if negated else "in", (reference, Values(tuple(values), type_)))
            return self._check(call, [subject, first], operator)
        # A list beside an attribute takes a type; one value without it matches any type.
        op, join = ("ne", "and") if negated else ("eq", "or")
        parts = [self._check(Call(op, (reference, Scalar(value))), [subject, first], operator) for value in values]
        return parts[0] if len(parts) == 1 else Call(join, tuple(parts))

    def _value(self) -> Expression:
        if self._next.kind == "mark" and self._next.value == "@":
            self._take()
            return self._reference("a field or an attribute after '@'")
        token = self._next
        opening = self._tokens[min(self._at + 1, len(self._tokens) - 1)]
        if token.kind == "word" and token.value in TYPES and opening.kind == "mark" and opening.value == "(":
            self._take()
            self._take()
            value = self._literal()
            self._expect(")", f"expected ')' after the value of {token.value}(…)")
            return Scalar(value, token.value)
        return Scalar(self._literal())

    def _literal(self) -> str:
        token = self._next
        if token.kind == "text" or (token.kind == "word" and token.value.lower() not in KEYWORDS):
            return self._take().value
        raise self._error("expected a value", _QUOTE if token.kind == "word" else "")

    def _reference(self, expected: str) -> Reference:
        token = self._next
        if token.kind == "text":
            self._take()
            return self._key(self._bound, token)
        if token.kind != "word" or token.value.lower() in KEYWORDS:
            raise self._error(f"expected {expected}", _QUOTE if token.kind == "word" else "")
        self._take()
        level, dot, name = token.value.partition(".")
        if not dot or level not in {"", *FIELDS}:
            return self._unqualified(token.value)
        if not name:
            key = self._next
            if key.kind != "text" or key.column != token.after or level not in {"", *ATTRIBUTE_LEVELS}:
                raise FilterError(f"found {token.shown}, expected a name after it", column=token.column)
            self._take()
            return self._key(level, key)
        if not level:
            return Attribute(name)
        if name in FIELDS[level]:
            return Field(level, name)
        if level in ATTRIBUTE_LEVELS:
            return Attribute(name, level)
        fields = FIELDS[level]
        hint = suggest(name, fields) or f'an attribute of that name is written in quotes: "{token.value}"'
        message = f"found {token.shown}, expected one of {', '.join(f'{level}.{each}' for each in fields)}"
        raise FilterError(message, column=token.column, hint=hint)

    @property
    def _bound(self) -> str:
        """The level of the element that the conditions here are about: event or link; empty for the span."""
        return self._quantified[-1] if self._quantified else ""

    def _unqualified(self, name: str) -> Reference:
        if self._bound and name in FIELDS[self._bound]:
            return Field(self._bound, name)
        return Field(*ALIASES[name]) if name in ALIASES else Attribute(name, self._bound)

    def _key(self, level: str, token: Token) -> Attribute:
        if not token.value:
            raise FilterError("found an empty key, expected the name of an attribute", column=token.column)
        return Attribute(token.value, level)

    def _check(self, call: Call, arguments: list[Token], operator: Token) -> Call:
        try:
            return checked(call, self._quantified)
        except Misfit as error:
            place = arguments[error.argument] if 0 <= error.argument < len(arguments) else operator
            raise FilterError(error.message, column=place.column, hint=error.hint) from error
