"""The values of a configuration file: cleaned, or refused with what is wrong."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

from mec_llm_env.names import did_you_mean, nearest
from mec_llm_env.ranges import Rule, Words, shorten
from mec_llm_env.scenario_file.documents import (
    ConfigFileError,
    LineOf,
    Problem,
    read_text,
)
from mec_llm_env.scenario_file.gains import MOST_BYTES, GainsError, parse_gains
from mec_llm_env.scenario_file.toml_lines import Path
from mec_llm_env.scenario_file.usual import USUAL, renamed, unit_remedy, unusual

Field = dataclasses.Field[Any]

#: The number of which parameter is meant by a table of this name.
COUNTS = {"user": "users", "server": "servers"}

_GAINS = "radio.channel_gain_db"


def parameters(config: Any) -> dict[str, Field]:
    """Returns the field of each parameter of a configuration, by dotted key."""
    found: dict[str, Field] = {}
    for top in dataclasses.fields(config):
        topic = getattr(config, top.name)
        if not dataclasses.is_dataclass(topic):
            found[top.name] = top
            continue
        for leaf in dataclasses.fields(topic):
            found[f"{top.name}.{leaf.name}"] = leaf
    return found


class Values:
    """What a file sets, and what is wrong with it.

    Attributes:
        problems: what is wrong, so far.
        places: line of each parameter that the file sets, and how it is called there.
        meant: parameters whose unusual values are.
    """

    meant: set[str]

    def __init__(self, kind: type[Any], source: str, line_of: LineOf) -> None:
        self.problems: list[Problem] = []
        self.places: dict[str, tuple[int, str]] = {}
        self._source, self._line_of = source, line_of
        self._fields = parameters(kind())
        self._topics = {key.partition(".")[0] for key in self._fields if "." in key}
        self._values: dict[str, Any] = {}
        self._own = {per: self._names(per) for per in COUNTS}

    def _names(self, per: str) -> dict[str, str]:
        """Returns the keys of parameters that may differ, by their names in tables."""
        names = {}
        for key, spec in self._fields.items():
            topic, _, leaf = key.rpartition(".")
            rule = spec.metadata.get("rule")
            if not isinstance(rule, Rule):
                continue
            in_turn = topic == per and rule.entries == "tuple"
            if rule.per == per or in_turn:
                names[leaf.removeprefix(f"{per}_")] = key
        return names

    def _named_as_meant(self, given: Any) -> set[str]:
        """Returns the parameters whose unusual values are meant."""
        path: Path = ("unusual",)
        if not isinstance(given, list):
            text = (
                f'must be a list of keys, such as ["{_GAINS}"]; got {shorten(given)}.'
            )
            self._problem(path, "`unusual`", text)
            return set()
        for key in given:
            if not isinstance(key, str) or key not in self._fields:
                hint = did_you_mean(str(key), self._fields)
                text = f"there is no parameter {shorten(key)}.{hint}"
                self._problem(path, "`unusual`", text)
        return {key for key in given if isinstance(key, str)}

    def _set(self, key: str, value: Any, path: Path, name: str) -> None:
        if key in self.places:
            line, other = self.places[key]
            text = f"is already set in line {line}, as {other}. Keep one."
            return self._problem(path, name, text)
        self.places[key] = self._line_of(path), name
        self._values[key] = self._cleaned(key, value, path, name)
        if self._values[key] is None:
            del self._values[key]
        return None

    def _cleaned(
        self, key: str, value: Any, path: Path, name: str, *, one: bool = False
    ) -> Any:
        """Returns a value that its rule and common sense accept, or None.

        Args:
            key: of the parameter.
            value: as it stands in the file.
            path: where that is.
            name: how the parameter is called there.
            one: it is of a single user or server.
        """
        rule = self._fields[key].metadata["rule"]
        if not isinstance(rule, Rule):
            return self._cleaned_word(key, value, path, name)
        in_turn = one and not rule.per
        value = _fixed(rule, [value] if in_turn else value)
        try:
            clean = rule.clean_one if one and rule.per else rule.clean
            cleaned = clean(value)
        except ValueError:
            shown = value[0] if in_turn else value
            self._problem(path, name, _refusal(key, rule, shown, one))
            return None
        if key not in self.meant and (odd := _odd(key, cleaned)):
            meant = f' If it is meant: unusual = ["{key}"] at the top.'
            self._problem(path, name, f"{odd}{meant}")
        return cleaned[0] if in_turn else cleaned

    def _cleaned_word(self, key: str, value: Any, path: Path, name: str) -> Any:
        """Returns a value that is no number, or None."""
        rule = self._fields[key].metadata["rule"]
        words = isinstance(rule, Words)
        if not words and isinstance(value, str) and value.endswith(".json"):
            value = os.path.join(os.path.dirname(self._source), value)
        try:
            return rule.clean(value)
        except ValueError as error:
            text = str(error).removeprefix(f"`{key}` ")
        if not text:
            hint = rule.hint(value) if words else ""
            text = f"must be {rule}; got {shorten(value)}.{hint}"
        self._problem(path, name, text)
        return None

    def _read_gains(self, given: Any, path: Path) -> None:
        """Reads the file of gains, which lies beside this one unless it says where."""
        name = f"`{path[-1]}`"
        if not isinstance(given, str) or not given or "\0" in given:
            text = f'must be the path of a CSV file, "gains.csv"; got {shorten(given)}.'
            return self._problem(path, name, text)
        source = os.path.join(os.path.dirname(self._source), given)
        rule: Rule = self._fields[_GAINS].metadata["rule"]
        limits = rule.limits if _GAINS in self.meant else USUAL[_GAINS]
        try:
            rows = parse_gains(read_text(source, MOST_BYTES), limits)
        except GainsError as error:
            problem = Problem(source, error.line, error.key, error.text)
            self.problems.append(problem)
        except ConfigFileError as error:
            self.problems += error.problems
        except OSError as error:
            text = (
                f"cannot be read, {source!r}: {error.strerror or error}. A path is "
                "relative to the folder of this file."
            )
            self._problem(path, name, text)
        else:
            if _GAINS in self.places:
                self._problem(path, name, f"is given beside `{_GAINS}`. Keep one.")
            self.places[_GAINS] = self._line_of(path), f"{name} = {given!r}"
            try:
                self._values[_GAINS] = rule.clean(rows)
            except ValueError:
                text = f"must be {rule}; got {len(rows)} × {len(rows[0])}."
                self._problem(path, name, text)
        return None

    def _unknown(
        self,
        name: str,
        value: Any,
        path: Path,
        where: str = "",
        known: list[str] | None = None,
    ) -> None:
        """Notes an unknown key, and what was probably meant."""
        several = isinstance(value, list) and value and isinstance(value[0], dict)
        table = not where and (several or isinstance(value, dict))
        shown = f"[[{name}]]" if several else f"[{name}]" if table else f"`{name}`"
        shown, what = f"{where}{shown}", "table" if table else "key"
        if known is None:
            known = [*self._topics, *COUNTS, *COUNTS.values(), "gains", "unusual"]
        hint = renamed(name, value, known) or did_you_mean(name, known)
        if "coefficient" in name or "kappa" in name:
            hint = _COEFFICIENT
        text = f"there is no such {what}.{hint or self._home(name)}"
        self._problem(path, shown, text)

    def _home(self, name: str) -> str:
        """Returns " It belongs to …" for a key that stands in the wrong table."""
        if name in ("mobility", "mobility.slots", "migration"):
            return " It is of MobileConfig, of users that move: MecLlmMobile-v0."
        leaves = {key.rpartition(".")[2]: key for key in self._fields if "." in key}
        for per, names in self._own.items():
            leaves |= {k: v for k, v in names.items() if k not in leaves}
            if name in names and names[name].startswith(per):
                break
        near = nearest(name, leaves)
        if near is None:
            return " Leave it out, or write it as a comment, with #."
        topic = leaves[near].partition(".")[0]
        return f" `{near}` is a key of [{topic}]."

    def _problem(self, path: Path, name: str, text: str) -> None:
        self.problems.append(Problem(self._source, self._line_of(path), name, text))


_COEFFICIENT = (
    " Give `power_w`, the power of the GPU at a frequency, which is κ f³: 5e-27 W/Hz³ "
    "are 5 W at 1 GHz."
)


def _fixed(rule: Rule, value: Any) -> Any:
    """Returns a number as the range, or the list, that it is the only member of."""
    if isinstance(value, list | tuple | dict) or value is None:
        return value
    return {"pair": (value, value), "tuple": (value,)}.get(rule.entries, value)


def _refusal(key: str, rule: Rule, value: Any, one: bool) -> str:
    """Returns what is wrong with a value that breaks its rule."""
    which = ""
    if not one and rule.gives_each(value):
        for i, entry in enumerate(value):
            try:
                rule.clean_one(_fixed(rule, entry))
            except ValueError:
                value, which = entry, f" for {rule.per} {i}"
                break
    if isinstance(value, tuple) and len(set(map(repr, value))) == 1:
        value = value[0]  # a number that was made a range
    text = f"must be {_kind(rule)}; got {shorten(value)}{which}."
    if isinstance(value, str):
        bare = value.strip().replace(",", ".")
        is_number = bare.replace(".", "", 1).lstrip("+-").isdigit()
        return f"{text} " + (
            f"Leave the quotes out: {bare}."
            if is_number
            else "Give numbers alone, without quotes; the unit is in the key."
        )
    if isinstance(value, int | float) and not isinstance(value, bool):
        return text + unit_remedy(key, value)
    if isinstance(value, list) and len(value) == 2 and rule.entries == "pair":
        return f"{text} Give the lowest first, or one number for both."
    return text


def _kind(rule: Rule) -> str:
    """Returns what a parameter may be in the words of a file."""
    one, several = (
        ("an integer", "integers") if rule.integer else ("a number", "numbers")
    )
    kind = {
        "one": one,
        "pair": f"{one}, or [lowest, highest],",
        "tuple": f"{one}, or a list of {several},",
        "point": "[x, y]",
        "row": "a list of one number a server",
    }[rule.entries]
    zero = "0, or " if rule.or_zero else ""
    return f"{zero}{kind} from {rule.limits}"


def _odd(key: str, value: Any) -> str | None:
    """Returns what is odd about the first unusual number of a value, or None."""
    found = [text for number in _numbers(value) if (text := unusual(key, number))]
    more = (
        f" The same goes for {len(found) - 1} other numbers."
        if len(set(found)) > 1
        else ""
    )
    return f"{found[0]}{more}" if found else None


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, tuple):
        for entry in value:
            yield from _numbers(entry)
    elif value is not None:
        yield value
