"""The sweeps of the project's own figures."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.figure.recipes import RECIPES
from experiments.figure.sweeps import Sweep
from mec_llm_env import ScenarioConfig


@pytest.mark.parametrize("swept", RECIPES.values(), ids=RECIPES)
def test_every_value_is_a_scenario_of_its_own(swept: Sweep) -> None:
    base = ScenarioConfig()
    configs = {swept.config(base, value) for value in swept.values}
    assert len(configs) == len(swept.values)
    assert set(swept.fixed(base)) <= set(base.to_dict())


@pytest.mark.parametrize("base", [{}, {"server.frequency_ghz": [1, 2, 3]}])
def test_server_frequency_keeps_the_power_coefficient(base: dict[str, Any]) -> None:
    if base:
        base = {**base, "server.power_w": [5, 6, 7], "server.cores": [1, 2, 3]}
    config = ScenarioConfig().with_overrides(base)
    for value in RECIPES["server_frequency"].values:
        server = RECIPES["server_frequency"].config(config, value).server
        for m in range(len(config.server.power_w)):
            assert server.power_w[m] / server.frequency_ghz[m] ** 3 == pytest.approx(
                config.server.power_w[m] / config.server.frequency_ghz[m] ** 3
            )
