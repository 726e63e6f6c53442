"""`ScenarioConfig`: everything that a scenario is drawn from."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Self, TypeVar

from mec_llm_env.config.gpus import DeviceConfig, ServerConfig
from mec_llm_env.config.objective import ObjectiveConfig
from mec_llm_env.config.presets import PRESETS
from mec_llm_env.config.radio import LayoutConfig, RadioConfig
from mec_llm_env.config.work import WorkloadConfig
from mec_llm_env.names import by_name, did_you_mean, nearest
from mec_llm_env.ranges import Checked, Rule, integer, shorten
from mec_llm_env.scenario_file.reading import read_config
from mec_llm_env.scenario_file.values import parameters

#: Users times servers, at most.
MOST_PAIRS = 2_000_000

Config = TypeVar("Config", bound="ScenarioConfig")


@by_name
@dataclass(frozen=True, kw_only=True, slots=True)
class ScenarioConfig(Checked):
    """Everything a scenario is drawn from; immutable and hashable.

    Change one with `dataclasses.replace` or `with_overrides`. Numbers of NumPy become
    Python's, lists become tuples.

    Raises:
        ValueError: a parameter is outside of its range, which `docs/ranges.md` lists;
            the text names the dotted key, the value and the range.
    """

    users: int = integer(10, 1, 10_000)  # N; the paper's size
    servers: int = integer(2, 1, 1_000)  # M; the paper's size
    layout: LayoutConfig = field(default_factory=LayoutConfig)
    radio: RadioConfig = field(default_factory=RadioConfig)
    workload: WorkloadConfig = field(default_factory=WorkloadConfig)
    device: DeviceConfig = field(default_factory=DeviceConfig)
    server: ServerConfig = field(default_factory=ServerConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        for spec in dataclasses.fields(self):
            if spec.default_factory is dataclasses.MISSING:
                continue
            topic = type(spec.default_factory())
            if not isinstance(getattr(self, spec.name), topic):
                raise self._error(spec.name, f"a {topic.__module__}.{spec.type}")
        if self.users * self.servers > MOST_PAIRS:
            raise ValueError(
                f"`users` × `servers` must be at most {MOST_PAIRS:,}; got {self.users} "
                f"× {self.servers}."
            )
        self._check_each()
        self._check_slots()

    def _check_each(self) -> None:
        """Refuses tuples with one entry a user, or server, of another number."""
        for key, (rule, value) in ruled(self).items():
            if value is None or not rule.gives_each(value):
                continue
            wanted = self.users if rule.per == "user" else self.servers
            exact = rule.per == "user" or rule.always_each
            if exact and len(value) != wanted:
                raise ValueError(
                    f"`{key}` must have one entry a {rule.per}, `{rule.per}s` = "
                    f"{wanted}; got {len(value)}. Give the two together."
                )
            if rule.entries == "row" and len(value[0]) != self.servers:
                raise ValueError(
                    f"`{key}` must have one column a server, `servers` = "
                    f"{self.servers}; got {len(value[0])}. Give the two together."
                )

    def _check_slots(self) -> None:
        slots = self.server.max_users
        if slots is None:
            return
        each = slots if isinstance(slots, tuple) else (slots,)
        room = [each[m % len(each)] for m in range(self.servers)]
        total = sum(self.users if slot is None else slot for slot in room)
        if total < self.users:
            least = -(-self.users // self.servers)
            raise ValueError(
                f"`server.max_users` = {shorten(slots)} lets {self.servers} servers "
                f"serve {total} users, fewer than `users` = {self.users}. "
                f"Use at least {least}, or leave it out for no limit."
            )

    @classmethod
    def preset(cls, name: str) -> Self:
        """Returns a named scenario configuration: see `PRESETS`.

        Raises:
            ValueError: there is no preset of that name.
        """
        return from_presets(cls, name, PRESETS)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Reads a configuration from a file of one's own: see `docs/own-system.md`.

        A `.toml` file has the topics as tables, `[[server]]` and `[[user]]` for those
        that differ, and may name a CSV file of gains beside it; `python -m mec_llm_env
        init my.toml` writes one to edit. A `.json` file is an object of dotted keys,
        as `to_dict` gives. What is left out keeps its default.

        Raises:
            ValueError: a line is wrong, or a value looks as if it were in another unit;
                the text names file, line, key, value and remedy of the first problem
                and says how many there are. `python -m mec_llm_env check` lists all.
        """
        return read_config(cls, path)

    def with_overrides(self, overrides: Mapping[str, Any]) -> Self:
        """Returns a copy with dotted keys replaced: `{"radio.bandwidth_mhz": 20}`.

        Values are JSON: lists stand for tuples.

        Raises:
            ValueError: a key does not exist, or a value is not valid for its field.
        """
        if not isinstance(overrides, Mapping):
            raise ValueError(
                "`overrides` must be a mapping from parameters to values, such as "
                f"{{'radio.bandwidth_mhz': 20}}; got {shorten(overrides)}."
            )
        known = _flatten(self)
        changes: dict[str, dict[str, Any]] = {}
        for key, value in overrides.items():
            if key not in known:
                raise ValueError(
                    f"There is no parameter {shorten(key)}.{_suggest(str(key), known)}"
                )
            topic, _, name = key.rpartition(".")
            changes.setdefault(topic, {})[name] = value
        top = changes.pop("", {})
        for topic, values in changes.items():
            top[topic] = dataclasses.replace(getattr(self, topic), **values)
        return dataclasses.replace(self, **top)

    def to_dict(self) -> dict[str, Any]:
        """Returns all parameters under their dotted keys, as JSON values."""
        return {key: _as_lists(value) for key, value in _flatten(self).items()}

    @classmethod
    def from_dict(cls, parameters: Mapping[str, Any]) -> Self:
        """Inverse of `to_dict`; what is left out keeps its default."""
        return cls().with_overrides(parameters)


def from_presets(
    kind: type[Config], name: Any, presets: Mapping[str, dict[str, Any]]
) -> Config:
    """Returns a named configuration.

    Raises:
        ValueError: there is no preset of that name.
    """
    if not isinstance(name, str) or name not in presets:
        hint = _suggest(str(name), presets)
        raise ValueError(f"There is no preset {shorten(name)}.{hint}")
    return kind(**presets[name])


def _flatten(config: ScenarioConfig) -> dict[str, Any]:
    return {key: attrgetter(key)(config) for key in parameters(config)}


def ruled(config: ScenarioConfig) -> dict[str, tuple[Rule, Any]]:
    """Returns rule and value of each parameter that is a number, or several."""
    return {
        key: (rule, attrgetter(key)(config))
        for key, spec in parameters(config).items()
        if isinstance(rule := spec.metadata["rule"], Rule)
    }


def _as_lists(value: Any) -> Any:
    return [_as_lists(entry) for entry in value] if isinstance(value, tuple) else value


def _suggest(word: str, known: Mapping[str, Any]) -> str:
    if hint := did_you_mean(word, known):
        return hint
    by_leaf = {key.rpartition(".")[2]: key for key in known}
    if leaf := nearest(word.rpartition(".")[2], by_leaf):
        return f" Did you mean {by_leaf[leaf]!r}?"
    return f" Choose from {', '.join(known)}."
