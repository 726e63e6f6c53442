"""The ranges in which numbers mean something, and how a parameter is checked.

They are wide: whatever lies in them can be computed, and what does not is a mistake in
the unit rather than a system. `docs/ranges.md` lists all of them; a test compares.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from mec_llm_env.names import did_you_mean

#: Longest tuple of choices, of server models, or of gains of a user.
_MOST_ENTRIES = 1000
_MOST_EACH = {"user": 10_000, "server": 1000}
_SEQUENCES = (tuple, list, np.ndarray)
_ROUNDING = 1e-9  # relative


class Limits(NamedTuple):
    """The lowest and the highest value, both allowed."""

    lowest: float
    highest: float

    def __str__(self) -> str:
        return f"{show(self.lowest)} to {show(self.highest)}"

    def hold(self, value: Any) -> Any:
        """Whether numbers lie between them, up to rounding: 10.0**-30 is not 1e-30."""
        low = self.lowest - _ROUNDING * abs(self.lowest)
        high = self.highest + _ROUNDING * abs(self.highest)
        return (value >= low) & (value <= high)


def show(value: float) -> str:
    """Returns a number as text, such as 1000, 1e+12 or 0.001."""
    whole = abs(value) < 1e6 and value == round(value)
    return f"{value:.0f}" if whole else f"{value:g}"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a parameter of a configuration may be."""

    limits: Limits
    integer: bool = False
    or_zero: bool = False  # 0 is allowed below the lowest
    # "one"; "pair": (lowest, highest); "tuple"; "point": (x, y); "row": one a server
    entries: str = "one"
    optional: bool = False  # None is allowed
    # "user" or "server": such a value, or a tuple with one for each of them
    per: str = ""

    def __str__(self) -> str:
        one = "an integer" if self.integer else "a number"
        several = "integers" if self.integer else "numbers"
        kind = {
            "one": one,
            "pair": f"(lowest, highest), two {several}",
            "tuple": f"a tuple of 1 to {_MOST_ENTRIES} {several}",
            "point": "(x, y), two numbers",
            "row": "a row of numbers, one a server, each",
        }[self.entries]
        zero = "0 or " if self.or_zero else ""
        none = "None or " if self.optional else ""
        each = f"for each {self.per} " if self.always_each else ""
        return f"{none}{each}{zero}{kind} from {self.limits}"

    @property
    def always_each(self) -> bool:
        """Whether a value for all users, or all servers, makes no sense."""
        return self.entries in ("point", "row")

    def gives_each(self, value: Any) -> bool:
        """Whether a value is a tuple with one for each user or server."""
        if not self.per or not isinstance(value, tuple | list | np.ndarray):
            return False
        one = self.entries == "one"
        return one or (len(value) > 0 and isinstance(value[0], _SEQUENCES))

    def clean(self, value: Any) -> Any:
        """Returns the value in Python's own types.

        Raises:
            ValueError: it breaks the rule; without a text.
        """
        if not self.gives_each(value):
            if self.always_each and value is not None:
                raise ValueError
            return self.clean_one(value)
        if not 0 < len(value) <= _MOST_EACH[self.per]:
            raise ValueError
        cleaned = tuple(map(self.clean_one, value))
        if self.entries == "row" and len({len(row) for row in cleaned}) > 1:
            raise ValueError
        return cleaned

    def clean_one(self, value: Any) -> Any:
        """Returns a value for all, or for a single user or server, as `clean` does.

        Raises:
            ValueError: it breaks the rule; without a text.
        """
        if value is None and self.optional:
            return None
        if self.entries == "one":
            return self._number(value)
        if isinstance(value, np.ndarray) and value.ndim == 1:
            value = tuple(value)
        if not isinstance(value, tuple | list) or not 0 < len(value) <= _MOST_ENTRIES:
            raise ValueError
        numbers = tuple(map(self._number, value))
        if self.entries in ("pair", "point") and len(numbers) != 2:
            raise ValueError
        if self.entries == "pair" and numbers[0] > numbers[1]:
            raise ValueError
        return numbers

    def _number(self, value: Any) -> int | float:
        if isinstance(value, np.integer | np.floating):
            value = value.item()
        kinds = int if self.integer else (int, float)
        if not isinstance(value, kinds) or isinstance(value, bool):
            raise ValueError
        if not self.integer:
            try:
                float(value)
            except OverflowError:  # an integer beyond all floats
                raise ValueError from None
        inside = self.limits.hold(value)
        if not inside and not (self.or_zero and value == 0):
            raise ValueError
        return value


class Words(NamedTuple):
    """What a parameter of one word, or of some, may be."""

    choices: tuple[str, ...]
    several: bool = False  # a tuple of some of them, each at most once

    def __str__(self) -> str:
        allowed = ", ".join(map(repr, self.choices))
        several = f"a tuple of some of {allowed}, each at most once"
        return several if self.several else f"one of {allowed}"

    def clean(self, value: Any) -> Any:
        """Returns the value, several as a tuple.

        Raises:
            ValueError: it breaks the rule; without a text.
        """
        listed = isinstance(value, list | tuple)
        words = value if self.several and listed else (value,)
        if self.several != listed or not words or any(map(self._wrong, words)):
            raise ValueError
        if len(set(words)) < len(words):
            raise ValueError
        return tuple(words) if self.several else value

    def hint(self, value: Any) -> str:
        """Returns " Did you mean …?" of the first wrong word of a value, or nothing."""
        words = value if isinstance(value, list | tuple) else (value,)
        wrong = next(filter(self._wrong, words), "")
        return did_you_mean(str(wrong), self.choices)

    def _wrong(self, word: Any) -> bool:
        return not isinstance(word, str) or word not in self.choices


class Flag:
    """What a truth value may be."""

    def __str__(self) -> str:
        return "true or false"

    def clean(self, value: Any) -> bool:
        """Returns the value as a bool.

        Raises:
            ValueError: it is something else; without a text.
        """
        if not isinstance(value, bool | np.bool_):
            raise ValueError
        return bool(value)


class Converted(NamedTuple):
    """A value that a function checks and converts; its errors have words."""

    clean: Callable[[Any], Any]
    kind: str


def parameter(default: Any, rule: Any) -> Any:
    """Returns a dataclass field whose value a rule cleans."""
    return field(default=default, metadata={"rule": rule})


def number(default: Any, lowest: float, highest: float, **options: Any) -> Any:
    """Returns a dataclass field for a number in a range."""
    return parameter(default, Rule(Limits(lowest, highest), **options))


def integer(default: Any, lowest: int, highest: int, **options: Any) -> Any:
    """Returns a dataclass field for an integer in a range."""
    return number(default, lowest, highest, integer=True, **options)


def choice(default: str, *choices: str) -> Any:
    """Returns a dataclass field for one of some words."""
    return parameter(default, Words(choices))


class Checked:
    """Base of configurations: checks every field by the rule that stands at it."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for spec in dataclasses.fields(self):  # type: ignore[arg-type]
            rule = spec.metadata.get("rule")
            if rule is None:
                continue
            try:
                cleaned = rule.clean(getattr(self, spec.name))
            except ValueError as error:
                if error.args:  # it says what is wrong
                    raise
                raise self._error(spec.name, rule) from None
            object.__setattr__(self, spec.name, cleaned)

    def _error(self, name: str, rule: Any) -> ValueError:
        value, where = getattr(self, name), ""
        if isinstance(rule, Rule) and rule.gives_each(value):
            for i, entry in enumerate(value):
                try:
                    rule.clean_one(entry)
                except ValueError:
                    value, where = entry, f" for {rule.per} {i}"
                    break
        hint = rule.hint(value) if isinstance(rule, Words) else ""
        return ValueError(
            f"`{self._key(name)}` must be {rule}; got {shorten(value)}{where}.{hint}"
        )

    @classmethod
    def _key(cls, name: str) -> str:
        topic = cls.__name__.removesuffix("Config").lower()
        return name if topic in ("scenario", "mobile") else f"{topic}.{name}"


def shorten(value: Any, length: int = 60) -> str:
    """Returns a value as errors show it, in at most `length` characters."""
    try:
        text = repr(value)
    except ValueError:  # an integer of more digits than Python prints
        text = f"an {type(value).__name__} too long to print"
    return text if len(text) <= length else f"{text[: length - 3]}..."


def word_argument(name: str, value: Any, choices: Sequence[str]) -> str:
    """Returns an argument that is one of some words.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(choices)}; got {shorten(value)}."
        )
    return value


def integer_argument(name: str, value: Any, lowest: int, highest: int) -> int:
    """Returns an argument as a Python integer.

    Raises:
        ValueError: it is no integer, or outside of its range.
    """
    rule = Rule(Limits(lowest, highest), integer=True)
    try:
        return int(rule.clean(value))
    except ValueError:
        raise ValueError(f"`{name}` must be {rule}; got {shorten(value)}.") from None
