"""Cases of one's own: scenarios and configurations read from files and folders."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from agents.problems.instances import held_out_instances
from mec_llm_env import ObjectiveConfig, Scenario, ScenarioConfig
from mec_llm_env.ranges import shorten

#: Files that hold cases.
SUFFIXES = (".toml", ".json", ".npz")
#: Cases that are compared at once, at most: each has a report of its own.
MOST_CASES = 1000
_MOST_BYTES = 2**28  # of a JSON file; scenarios of 10,000 × 200 take a fifth of it

_OBJECTIVE = "objective."  # parameters that a scenario does not hold


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """A scenario to decide, and what decisions on it are judged by."""

    name: str  # after its file; fit to be the name of a file
    scenario: Scenario  # batch shape ()
    objective: ObjectiveConfig
    source: str  # the file

    @property
    def size(self) -> str:
        """Users × servers."""
        return f"{self.scenario.n_users} × {self.scenario.n_servers}"


def read_cases(
    paths: Sequence[str | os.PathLike[str]],
    overrides: Mapping[str, Any] | None = None,
    draws: int | None = None,
) -> list[Case]:
    """Reads cases from files, and from the files of folders, in order.

    A `.npz` file is what `Scenario.save` writes, of one scenario or of a batch. A
    `.json` file holds the fields of a scenario, or the dotted keys of a configuration,
    or a list of such objects; a `.toml` file is a configuration. What a configuration
    leaves to chance is drawn as for the test scenarios of the benchmark.

    Args:
        paths: files and folders.
        overrides: parameters of configurations, and of the objective, that differ.
        draws: of every configuration; None: one.

    Raises:
        ValueError: a file is none of those, or has a mistake; the text names it.
        OSError: it cannot be read.
    """
    changes = {} if overrides is None else dict(overrides)
    files = [file for path in paths for file in _files_of(Path(path))]
    names = _unique_names(files)
    cases: list[Case] = []
    drawn = False
    for file, name in zip(files, names, strict=True):
        held = _contents(file)
        found: list[tuple[Scenario, ObjectiveConfig]] = []
        for i, content in enumerate(held):
            where = f"{os.fspath(file)!r}" + (f", entry {i}" if len(held) > 1 else "")
            found += _scenarios(content, where, changes, draws or 1)
            drawn |= isinstance(content, ScenarioConfig)
        several = len(found) > 1
        cases += [
            Case(
                name=f"{name}-{i}" if several else name,
                scenario=scenario,
                objective=objective,
                source=os.fspath(file),
            )
            for i, (scenario, objective) in enumerate(found)
        ]
        if len(cases) > MOST_CASES:
            raise ValueError(
                f"`--scenario` takes at most {MOST_CASES:,} cases at a time; got more "
                f"with {os.fspath(file)!r}. Take a part of them."
            )
    if draws is not None and not drawn:
        raise ValueError(
            "`--instances` says how often a configuration is drawn; `--scenario` names "
            "scenarios alone, which are as they are. Leave it out."
        )
    return _named_apart(cases)


def _named_apart(cases: Sequence[Case]) -> list[Case]:
    """Returns the cases with a number added to names that stand twice."""
    taken: set[str] = set()
    named = []
    for case in cases:
        name, k = case.name, 1
        while name in taken:
            k += 1
            name = f"{case.name}_{k}"
        taken.add(name)
        named.append(dataclasses.replace(case, name=name))
    return named


def _files_of(path: Path) -> list[Path]:
    """Returns the file, or the files of a folder that hold cases, by name."""
    if path.is_dir():
        found = sorted(
            file
            for file in path.iterdir()
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        )
        if not found:
            raise ValueError(
                f"There is no case in the folder {os.fspath(path)!r}: it has no "
                f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file."
            )
        return [file for inner in found for file in _checked(inner)]
    return _checked(path)


def _checked(path: Path) -> list[Path]:
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"`--scenario` takes {', '.join(SUFFIXES)} files and folders of them; got "
            f"{os.fspath(path)!r}."
        )
    if path.exists() and not path.is_file():
        raise ValueError(f"{os.fspath(path)!r} is not a regular file.")
    return [path]


def _unique_names(files: Sequence[Path]) -> list[str]:
    """Returns a name for each file: its stem, or as much of it as tells them apart."""
    for stem in (lambda f: f.stem, lambda f: f.name, os.fspath):
        names = [as_name(stem(file)) for file in files]
        if len(set(names)) == len(names):
            return names
    (twice, _), *_ = Counter(map(os.fspath, files)).most_common(1)
    raise ValueError(f"`--scenario` names {twice!r} twice; keep one.")


def as_name(text: str) -> str:
    """Returns a text as the name of a file, without what systems take amiss."""
    return re.sub(r"[^\w.-]+", "_", text).strip("._")[:80] or "case"


def _contents(file: Path) -> list[Scenario | ScenarioConfig]:
    """Returns what a file holds: scenarios, single or batches, or configurations."""
    suffix = file.suffix.lower()
    if suffix == ".npz":
        return [Scenario.load(file)]
    if suffix == ".toml":
        return [_configuration_of(file)]
    content = _json_of(file)
    entries = content if isinstance(content, list) else [content]
    if not entries:
        raise ValueError(f"There is no scenario in {os.fspath(file)!r}: its list is []")
    words = f"{os.fspath(file)!r}" + (", entry {}" if len(entries) > 1 else "")
    whole = None if isinstance(content, list) else file
    return [
        _from_json(entry, words.format(i), whole) for i, entry in enumerate(entries)
    ]


def _configuration_of(file: Path) -> ScenarioConfig:
    config: ScenarioConfig = ScenarioConfig.from_file(file)
    return config


def _from_json(entry: Any, where: str, file: Path | None) -> Scenario | ScenarioConfig:
    """Returns what an object holds, which may be all of a file."""
    if not isinstance(entry, dict):
        raise ValueError(
            f"{where} must be a JSON object, of a scenario's fields or of a "
            f"configuration's dotted keys; got {shorten(entry)}."
        )
    is_scenario = bool(set(entry) & set(Scenario.field_names()))
    if file is not None and not is_scenario:  # with paths in it from where it lies
        return _configuration_of(file)
    try:
        if is_scenario:
            return Scenario(**entry)
        return ScenarioConfig.from_dict(entry)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


def _json_of(file: Path) -> Any:
    with file.open("rb") as stream:
        data = stream.read(_MOST_BYTES + 1)
    name = repr(os.fspath(file))
    if len(data) > _MOST_BYTES:
        raise ValueError(
            f"{name} has more than {_MOST_BYTES >> 20} MiB. Save large batches with "
            "`Scenario.save` (.npz)."
        )
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} is not UTF-8 text, from byte {error.start} on. Save it as UTF-8."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON: {error}.") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns the object; a key that stands twice is a mistake, not a choice."""
    counts = Counter(key for key, _ in pairs)
    for key, count in counts.items():
        if count > 1:
            raise ValueError(
                f"the key {shorten(key)} stands {count} times in one object"
            )
    return dict(pairs)


def _scenarios(
    content: Scenario | ScenarioConfig,
    where: str,
    changes: dict[str, Any],
    draws: int,
) -> list[tuple[Scenario, ObjectiveConfig]]:
    """Returns the single scenarios of a file's entry, with their objective."""
    if isinstance(content, ScenarioConfig):
        config = content.with_overrides(changes)
        drawn = held_out_instances(config, draws)
        rows = [drawn[i] for i in range(draws)]
        if all(_equal(rows[0], row) for row in rows[1:]):
            rows = rows[:1]  # nothing is left to chance
        return [(row, config.objective) for row in rows]
    others = [key for key in changes if not key.startswith(_OBJECTIVE)]
    if others:
        raise ValueError(
            f"`--override` {shorten(others[0])} is of configurations, and {where} holds"
            " a scenario, to which only objective.* can be added."
        )
    objective = ScenarioConfig().with_overrides(changes).objective
    batch = content.batch_shape
    if 0 in batch:
        raise ValueError(f"There is no scenario in {where}: its batch is empty.")
    return [(content[index], objective) for index in np.ndindex(*batch)]


def _equal(one: Scenario, other: Scenario) -> bool:
    fields, others = one.to_dict(), other.to_dict()
    return all(np.array_equal(fields[name], others[name]) for name in fields)
