"""From the tables of a configuration file to parameters under their dotted keys.

What there is to set is read from the fields of the configuration's class: a parameter
that is added there can be set in a file without a change here.
"""

from __future__ import annotations

from typing import Any

from mec_llm_env.ranges import Rule, shorten
from mec_llm_env.scenario_file.documents import LineOf, Problem
from mec_llm_env.scenario_file.toml_lines import Path
from mec_llm_env.scenario_file.values import COUNTS, Values

# What describes a GPU: in [[server]], [[user]] and [users] all of it, or nothing.
_GPU = {
    "user": (
        *("device.cores", "device.flop_per_cycle_per_core"),
        *("device.frequency_max_ghz", "device.power_w", "device.power_reference_ghz"),
    ),
    "server": ("server.cores", "server.frequency_ghz", "server.power_w"),
}


class Tables(Values):
    """The tables of a file, on their way to parameters."""

    def __init__(
        self, kind: type[Any], document: dict[str, Any], source: str, line_of: LineOf
    ) -> None:
        super().__init__(kind, source, line_of)
        self._document = document
        self.meant = self._named_as_meant(document.get("unusual", []))
        # What says how many there are: how it is called, the number and the line.
        self._sizes: dict[str, dict[str, tuple[int, int]]] = {"user": {}, "server": {}}
        self._missed: set[str] = set()  # keys of parameters that a table misses

    def values(self) -> dict[str, Any]:
        """Returns the parameters that the file sets; `problems` has what is wrong."""
        each: dict[str, list[Any]] = {}
        for key, value in self._document.items():
            path: Path = (key,)
            if key == "gains":
                self._read_gains(value, path)
            elif key in COUNTS and isinstance(value, list):
                each[key] = value
            elif key in COUNTS.values() and isinstance(value, dict):
                self._shared(key.removesuffix("s"), value, path)
            elif key in self._topics:
                self._topic(key, value, path)
            elif key in self._fields:
                self._set(key, value, path, f"`{key}`")
            elif key in COUNTS:
                text = f"must be a table for each {key}, [[{key}]]; got "
                self._problem(path, f"`{key}`", f"{text}{shorten(value)}.")
            elif key != "unusual":
                self._unknown(key, value, path)
        for per in COUNTS:
            if per in each:
                self._each(per, each[per])
            self._check_gpu(per)
            self._count(per)
        return self._values

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
            alike = self._repeats(table, where, path)
            rows += [i] * alike
            for name, value in table.items():
                inner = (*path, name)
                if name not in names and name != "count":
                    self._unknown(name, value, inner, where, ["count", *names])
                elif name == "position_m" and alike > 1:
                    text = f"is one point, for {alike}. Write a table for each."
                    self._problem(inner, f"{where}`{name}`", text)
                elif name != "count":
                    key, called = names[name], f"{where}`{name}`"
                    entry = self._cleaned(key, value, inner, called, one=True)
                    entries.setdefault(key, {})[i] = entry
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
                text = f"lacks `{name}`, which [[{per}]] {min(given)} has. Add it."
                self._problem((per, i), f"[[{per}]] {i}", text)
                self._missed.add(key)
                return None
        if rule.always_each and key in self.places:
            line, other = self.places[key]
            text = f"is already set in line {line}, as {other}. Keep one."
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
                f"lacks {', '.join(f'`{name}`' for name in missing)} beside "
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
        key = COUNTS[per]
        count = self._cleaned(key, value, path, name)
        if count is not None:
            self._sizes[per][name] = count, self._line_of(path)

    def _count(self, per: str) -> None:
        """Sets the number of users, or servers, on which all that is given agrees."""
        key, sizes = COUNTS[per], dict(self._sizes[per])
        if key in self._values:
            line, name = self.places[key]
            sizes = {name: (self._values[key], line), **sizes}
        for own, value in self._values.items():
            rule = self._fields[own].metadata["rule"]
            each = isinstance(rule, Rule) and rule.always_each
            if not each or own not in self.places:
                continue
            line, name = self.places[own]
            if rule.per == per:
                sizes.setdefault(name, (len(value), line))
            elif rule.entries == "row":
                sizes.setdefault(name, (len(value[0]), line))
        if not sizes:
            if key in self._document:
                text = f"lacks `count`, the number of {key}. Add it."
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


def _is_count(table: Any) -> bool:
    """Whether a table may stand for so many users or servers as it says."""
    count = table.get("count", 1) if isinstance(table, dict) else None
    return isinstance(count, int) and not isinstance(count, bool) and count > 0
