from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mec_llm_env import MobileConfig, Scenario, ScenarioConfig
from mec_llm_env.observations import OBSERVABLE
from mec_llm_env.ranges import (
    Converted,
    Limits,
    Rule,
    Words,
    integer_argument,
    shorten,
    show,
)

DOCS = Path(__file__).parents[2] / "docs" / "ranges.md"

Row = tuple[str, ...]


def scenario_rows() -> list[Row]:
    return [
        (f"`{spec.name}`", spec.metadata["unit"], *map(show, spec.metadata["limits"]))
        for spec in dataclasses.fields(Scenario)
    ]


def config_rows(config: ScenarioConfig) -> list[Row]:
    rows: list[Row] = []
    for top in dataclasses.fields(config):
        value = getattr(config, top.name)
        inner = dataclasses.is_dataclass(value)
        for spec in dataclasses.fields(value) if inner else [top]:
            key = f"`{top.name}.{spec.name}`" if inner else f"`{spec.name}`"
            rule = spec.metadata["rule"]
            if isinstance(rule, Words):
                kind = f"some of {', '.join(map(repr, rule.choices))}"
                kind = kind if rule.several else " or ".join(map(repr, rule.choices))
                rows.append((key, kind, "", ""))
                continue
            if isinstance(rule, Converted):
                rows.append((key, rule.kind, "", ""))
                continue
            kind = "integer" if rule.integer else "number"
            kind += "" if rule.entries == "one" else f" {rule.entries}"
            kind += f" for each {rule.per}" if rule.always_each else ""
            kind += " or None" if rule.optional else ""
            kind += " or 0" if rule.or_zero else ""
            if rule.per and not rule.always_each:
                kind += f", or one for each {rule.per}"
            rows.append((key, kind, *map(show, rule.limits)))
    return rows


def observable_rows() -> list[Row]:
    units = {s.name: s.metadata["unit"] for s in dataclasses.fields(Scenario)}
    return [
        (f"`{name}`", units[name], f"{lowest:.3g}", f"{highest:.3g}")
        for name, (lowest, highest) in OBSERVABLE.items()
    ]


@pytest.mark.parametrize(
    ("heading", "rows"),
    [
        ("Fields of a `Scenario`", scenario_rows()),
        ("Parameters of a `ScenarioConfig`", config_rows(ScenarioConfig())),
        (
            "Parameters of a `MobileConfig`",
            config_rows(MobileConfig())[len(config_rows(ScenarioConfig())) :],
        ),
        ("What an environment can show", observable_rows()),
    ],
)
def test_the_documentation_lists_the_ranges_of_the_code(
    heading: str, rows: list[Row]
) -> None:
    _, section = DOCS.read_text().split(f"## {heading}\n")
    section = section.split("\n## ")[0]
    table = [
        tuple(cell.strip() for cell in line.strip("|").split(" | "))
        for line in section.splitlines()
        if line.startswith("| `")
    ]
    assert table == rows


def test_every_number_of_the_configuration_has_a_range_around_its_default() -> None:
    for key, value in MobileConfig().to_dict().items():
        topic, _, name = key.rpartition(".")
        owner = getattr(MobileConfig(), topic) if topic else MobileConfig()
        spec = next(s for s in dataclasses.fields(owner) if s.name == name)
        if not isinstance(spec.metadata["rule"], Rule):  # words, and the decoder
            continue
        limits = spec.metadata["rule"].limits
        for number in value if isinstance(value, list) else [value]:
            if number is not None:
                assert limits.lowest <= number <= limits.highest, key
        for edge in limits:  # both ends are allowed
            assert spec.metadata["rule"]._number(edge) == edge, key


def test_rules() -> None:
    number = Rule(Limits(0.5, 10))
    assert str(number) == "a number from 0.5 to 10"
    assert [number.clean(x) for x in (0.5, 10, np.float32(2))] == [0.5, 10, 2]
    assert type(number.clean(np.float32(2))) is float
    pair = Rule(Limits(1, 9), integer=True, entries="pair")
    assert pair.clean(np.array([1, 9])) == pair.clean([1, 9]) == (1, 9)
    optional = Rule(Limits(1, 9), integer=True, optional=True)
    assert optional.clean(None) is None
    assert Rule(Limits(1, 9), or_zero=True).clean(0) == 0
    junk: list[Any] = [0.4, 10.1, math.nan, math.inf, True, np.True_, "1", None, 1j]
    junk += [np.array(1.0), np.ones(1), [1], (1,), {}, object(), 10**5000]
    junk += [np.longdouble(1)]
    for value in junk:
        with pytest.raises(ValueError, match=r"^$"):
            number.clean(value)
    for value in [(1, 2, 3), (2, 1), (), 1, "12", (1.0, 2), (1, None), None]:
        with pytest.raises(ValueError, match=r"^$"):
            pair.clean(value)
    with pytest.raises(ValueError, match=r"^$"):
        Rule(Limits(0, 1), entries="tuple").clean([0] * 1001)


def test_arguments() -> None:
    assert type(integer_argument("n", np.int8(3), 1, 9)) is int
    with pytest.raises(
        ValueError, match=r"`n` must be an integer from 1 to 9; got 1.5"
    ):
        integer_argument("n", 1.5, 1, 9)


def test_values_are_shown_briefly() -> None:
    assert shorten("a" * 100) == f"'{'a' * 56}..."
    assert shorten(10**5000) == "an int too long to print"
    assert [show(x) for x in (1000, 1e12, 0.001, 0.5)] == [
        "1000",
        "1e+12",
        "0.001",
        "0.5",
    ]
