"""From the tables of a configuration file to parameters under their dotted keys.

What there is to set is read from the fields of the configuration's class: a parameter
that is added there can be set in a file without a change here.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import Any

from mec_llm_env.names import did_you_mean, nearest
from mec_llm_env.ranges import Rule, cleaned_words, shorten, word_hint, word_rule
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

_GAINS = "radio.channel_gain_db"
_COUNTS = {"user": "users", "server": "servers"}

# What describes a GPU: in [[server]], [[user]] and [users] all of it, or nothing.
_GPU = {
    "user": (
        *("device.cores", "device.flop_per_cycle_per_core"),
        *("device.frequency_max_ghz", "device.power_w", "device.power_reference_ghz"),
    ),
    "server": ("server.cores", "server.frequency_ghz", "server.power_w"),
}


def parameters(kind: type[Any]) -> dict[str, Field]:
    """Returns the field of each parameter of a class of configurations, by key."""
    found: dict[str, Field] = {}
    for top in dataclasses.fields(kind):
        if top.default_factory is dataclasses.MISSING:
            found[top.name] = top
            continue
        for leaf in dataclasses.fields(top.default_factory()):
            found[f"{top.name}.{leaf.name}"] = leaf
    return found


class Tables:
    """The tables of a file, on their way to parameters.

    Attributes:
        problems: what is wrong, so far.
        places: line of each parameter that the file sets, and how it is called there.
    """

    def __init__(
        self, kind: type[Any], document: dict[str, Any], source: str, line_of: LineOf
    ) -> None:
        self.problems: list[Problem] = []
        self.places: dict[str, tuple[int, str]] = {}
        self._document, self._source, self._line_of = document, source, line_of
        self._fields = parameters(kind)
        self._topics = {key.partition(".")[0] for key in self._fields if "." in key}
        self._values: dict[str, Any] = {}
        # What says how many there are: how it is called, the number and the line.
        self._sizes: dict[str, dict[str, tuple[int, int]]] = {"user": {}, "server": {}}
        self._missed: set[str] = set()  # keys of parameters that a table misses
        self._own = {per: self._names(per) for per in _COUNTS}
        self.meant = self._meant(document.get("unusual", []))

    def values(self) -> dict[str, Any]:
        """Returns the parameters that the file sets; `problems` has what is wrong."""
        each: dict[str, list[Any]] = {}
        for key, value in self._document.items():
            path: Path = (key,)
            if key == "gains":
                self._read_gains(value, path)
            elif key in _COUNTS and isinstance(value, list):
                each[key] = value
            elif key in _COUNTS.values() and isinstance(value, dict):
                self._shared(key.removesuffix("s"), value, path)
            elif key in self._topics:
                self._topic(key, value, path)
            elif key in self._fields:
                self._set(key, value, path, f"`{key}`")
            elif key in _COUNTS:
                text = f"must be a table for each {key}, [[{key}]]; got "
                self._problem(path, f"`{key}`", f"{text}{shorten(value)}.")
            elif key != "unusual":
                self._unknown(key, value, path)
        for per in _COUNTS:
            if per in each:
                self._each(per, each[per])
            self._check_gpu(per)
            self._count(per)
        return self._values

    def _names(self, per: str) -> dict[str, str]:
        """Returns the keys of parameters that may differ, by their names in tables."""
        names = {}
        for key, spec in self._fields.items():
            topic, _, leaf = key.rpartition(".")
            rule = spec.metadata.get("rule")
            in_turn = rule and topic == per and rule.entries == "tuple"
            if rule and (rule.per == per or in_turn):
                names[leaf.removeprefix(f"{per}_")] = key
        return names

    def _meant(self, given: Any) -> set[str]:
        """Returns the parameters whose unusual values are meant."""
        path: Path = ("unusual",)
        if not isinstance(given, list):
            text = (
                f'must be a list of keys, such as ["{_GAINS}"]; got {shorten(given)}.'
            )
            self._problem(path, "`unusual`", text)
            return set()
        for key in given:
            if key not in self._fields:
                hint = did_you_mean(str(key), self._fields)
                text = f"there is no parameter {shorten(key)}.{hint}"
                self._problem(path, "`unusual`", text)
        return {key for key in given if isinstance(key, str)}

    # Tables.

    def _topic(self, topic: str, table: Any, path: Path) -> None:
        """Takes `[radio]` and the like."""
        if not isinstance(table, dict):
            text = f"must be a table, [{topic}]; got {shorten(table)}."
            return self._problem(path, f"`{topic}`", text)
        for name, value in table.items():
            key, inner = f"{topic}.{name}", (*path, name)
            if key == "radio.gains":
                self._read_gains(value, inner)
            elif key in self._fields:
                self._set(key, value, inner, f"`{key}`")
            else:
                own = [k.partition(".")[2] for k in self._fields if k.startswith(topic)]
                self._unknown(name, value, inner, f"[{topic}], ", own)
        return None

    def _shared(self, per: str, table: dict[str, Any], path: Path) -> None:
        """Takes `[users]` or `[servers]`: their number, and what they share."""
        where, names = f"[{path[0]}], ", self._own[per]
        for name, value in table.items():
            inner = (*path, name)
            if name == "count":
                self._size(per, f"{where}`count`", value, inner)
            elif name in names:
                self._set(names[name], value, inner, f"{where}`{name}`")
            else:
                self._unknown(name, value, inner, where, ["count", *names])

    def _each(self, per: str, tables: list[Any]) -> None:
        """Takes `[[user]]` or `[[server]]`: one of them each, or `count` alike."""
        names, rows = self._own[per], []
        entries: dict[str, dict[int, Any]] = {}
        for i, table in enumerate(tables):
            where, path = f"[[{per}]] {i}, ", (per, i)
            if not isinstance(table, dict):
                text = f"must be a table; got {shorten(table)}."
                return self._problem(path, f"[[{per}]] {i}", text)
            rows += [i] * self._repeats(table, where, path)
            for name, value in table.items():
                inner = (*path, name)
                if (
                    name in names
                    and table.get("count", 1) != 1
                    and _is_point(self._fields[names[name]])
                ):
                    text = (
                        f"is one point, and `count` = {table['count']} would put all "
                        f"of them there. Write a [[{per}]] for each."
                    )
                    self._problem(inner, f"{where}`{name}`", text)
                elif name in names:
                    entry = self._cleaned(names[name], value, inner, where, one=True)
                    entries.setdefault(names[name], {})[i] = entry
                elif name != "count":
                    self._unknown(name, value, inner, where, ["count", *names])
        if all(map(_is_count, tables)):
            self._sizes[per][f"[[{per}]]"] = len(rows), self._line_of((per,))
        for key, given in entries.items():
            self._gather(per, key, given, len(tables), rows)
        return None

    def _repeats(self, table: dict[str, Any], where: str, path: Path) -> int:
        if _is_count(table):
            return min(table.get("count", 1), 10_001)
        text = f"must be a whole number from 1; got {shorten(table['count'])}."
        self._problem((*path, "count"), f"{where}`count`", text)
        return 1

    def _gather(
        self, per: str, key: str, given: dict[int, Any], n_tables: int, rows: list[int]
    ) -> None:
        """Sets a parameter from tables; who leaves it out has the shared value."""
        rule: Rule = self._fields[key].metadata["rule"]
        name = next(name for name, own in self._own[per].items() if own == key)
        for i in range(n_tables):
            if i in given:
                continue
            if (shared := self._values.get(key)) is not None and rule.per:
                given[i] = shared
            elif shared is not None and len(shared) == 1:
                given[i] = shared[0]
            elif rule.optional and not rule.always_each:
                given[i] = None
            else:
                text = f"misses `{name}`, which [[{per}]] {min(given)} has. Add it."
                self._problem((per, i), f"[[{per}]] {i}", text)
                self._missed.add(key)
                return None
        if rule.always_each and key in self.places:
            line, other = self.places[key]
            text = f"stands in line {line} already, as {other}. Keep one."
            return self._problem((per, min(given), name), f"[[{per}]], `{name}`", text)
        values = tuple(given[i] for i in rows)
        alike = rule.per and not rule.always_each and len(set(values)) == 1
        self._values[key] = values[0] if alike else values
        first: Path = (per, min(given), name)
        self.places[key] = self._line_of(first), f"[[{per}]], `{name}`"
        return None

    def _check_gpu(self, per: str) -> None:
        """Refuses a GPU that a table describes in part."""
        names = {key: name for name, key in self._own[per].items()}
        given = [
            key for key in _GPU[per] if self.places.get(key, (0, ""))[1][:1] == "["
        ]
        known = self.places.keys() | self._missed
        missing = [names[key] for key in _GPU[per] if key not in known]
        if given and missing:
            line, called = self.places[given[0]]
            text = (
                f"misses {', '.join(f'`{name}`' for name in missing)} beside "
                f"`{names[given[0]]}`. Describe the GPU in full."
            )
            where = called.partition(",")[0]
            self.problems.append(Problem(self._source, line, where, text))
        in_turn = [key for key in given if not self._fields[key].metadata["rule"].per]
        most = max((len(self._values.get(key, ())) for key in in_turn), default=0)
        for key in in_turn:  # what servers share beside what differs
            if len(self._values.get(key, ())) == 1:
                self._values[key] = tuple(self._values[key]) * most

    # Numbers of users and servers.

    def _size(self, per: str, name: str, value: Any, path: Path) -> None:
        key = _COUNTS[per]
        count = self._cleaned(key, value, path, name, whole=True)
        if count is not None:
            self._sizes[per][name] = count, self._line_of(path)

    def _count(self, per: str) -> None:
        """Sets the number of users, or servers, on which all that is given agrees."""
        key, sizes = _COUNTS[per], dict(self._sizes[per])
        if key in self._values:
            line, name = self.places[key]
            sizes = {name: (self._values[key], line), **sizes}
        for own, value in self._values.items():
            rule = self._fields[own].metadata.get("rule")
            if rule is None or not rule.always_each or own not in self.places:
                continue
            line, name = self.places[own]
            if rule.per == per:
                sizes.setdefault(name, (len(value), line))
            elif rule.entries == "row":
                sizes.setdefault(name, (len(value[0]), line))
        if not sizes:
            if key in self._document:
                text = f"misses `count`, the number of {key}. Add it."
                self._problem((key,), f"[{key}]", text)
            return
        (first, (count, _)), *others = sizes.items()
        for name, (other, line) in others:
            if other != count:
                text = (
                    f"has {other} {key}, and {first} has {count}. Make the two agree."
                )
                self.problems.append(Problem(self._source, line, name, text))
        self._values[key] = count

    # Values.

    def _set(self, key: str, value: Any, path: Path, name: str) -> None:
        if key in self.places:
            line, other = self.places[key]
            text = f"stands in line {line} already, as {other}. Keep one."
            return self._problem(path, name, text)
        self.places[key] = self._line_of(path), name
        self._values[key] = self._cleaned(key, value, path, name, whole=True)
        if self._values[key] is None:
            del self._values[key]
        return None

    def _cleaned(
        self,
        key: str,
        value: Any,
        path: Path,
        name: str,
        *,
        one: bool = False,
        whole: bool = False,
    ) -> Any:
        """Returns a value that its rule and common sense accept, or None.

        Args:
            key: of the parameter.
            value: as it stands in the file.
            path: where that is.
            name: how the parameter is called there, or where it is if not `whole`.
            one: it is of a single user or server.
            whole: `name` is whole.
        """
        name = name if whole else f"{name}`{path[-1]}`"
        rule: Rule | None = self._fields[key].metadata.get("rule")
        if rule is None:
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
        spec = self._fields[key]
        if "choices" in spec.metadata:
            try:
                return cleaned_words(spec, value)
            except ValueError:
                text = f"must be {word_rule(spec)}; got {shorten(value)}."
                text += word_hint(spec, value)
        elif spec.metadata.get("flag"):
            if isinstance(value, bool):
                return value
            text = f"must be true or false; got {shorten(value)}."
        else:
            if isinstance(value, str) and value.endswith(".json"):
                value = os.path.join(os.path.dirname(self._source), value)
            try:
                return spec.metadata["convert"](value)
            except ValueError as error:
                text = str(error).removeprefix(f"`{key}` ")
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
                self._problem(path, name, f"stands beside `{_GAINS}`. Keep one.")
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
        """Notes a key that there is not, and what was probably meant."""
        several = isinstance(value, list) and value and isinstance(value[0], dict)
        table = not where and (several or isinstance(value, dict))
        shown = f"[[{name}]]" if several else f"[{name}]" if table else f"`{name}`"
        shown, what = f"{where}{shown}", "table" if table else "key"
        if known is None:
            known = [*self._topics, *_COUNTS, *_COUNTS.values(), "gains", "unusual"]
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


def _is_count(table: Any) -> bool:
    """Whether a table may stand for so many users or servers as it says."""
    count = table.get("count", 1) if isinstance(table, dict) else None
    return isinstance(count, int) and not isinstance(count, bool) and count > 0


def _is_point(spec: Field) -> bool:
    """Whether a parameter is the place of a user or server."""
    return bool(spec.metadata["rule"].entries == "point")


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
    more = f" So with {len(found) - 1} other numbers." if len(set(found)) > 1 else ""
    return f"{found[0]}{more}" if found else None


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, tuple):
        for entry in value:
            yield from _numbers(entry)
    elif value is not None:
        yield value
