"""Which scenarios are those of validation and test."""

from __future__ import annotations

import numpy as np
import pytest

from agents.problems.instances import held_out_instances, validation_instances
from mec_llm_env import MobileConfig, ScenarioConfig, sample_scenario, sample_trajectory


def test_instances_are_those_of_their_seeds() -> None:
    config = ScenarioConfig()
    held_out, validation = (
        held_out_instances(config, 3),
        validation_instances(config, 3),
    )
    for got, first in ((held_out, 20_000_000), (validation, 10_000_000)):
        for i in range(3):
            wanted = sample_scenario(config, np.random.default_rng(first + i))
            for name, value in wanted.to_dict().items():
                np.testing.assert_array_equal(getattr(got, name)[i], value)
    with pytest.raises(ValueError, match="`instances` must lie in 1 … 10000000; got 0"):
        held_out_instances(config, 0)


def test_those_of_the_sequential_problem_are_trajectories() -> None:
    config = MobileConfig().with_overrides({"users": 3, "mobility.slots": 2})
    for got, first in (
        (held_out_instances(config, 2), 20_000_000),
        (validation_instances(config, 2), 10_000_000),
    ):
        for i in range(2):
            wanted = sample_trajectory(config, np.random.default_rng(first + i))
            np.testing.assert_array_equal(got.joined[i], wanted.joined)
            np.testing.assert_array_equal(
                got.scenario.channel_gain[i], wanted.scenario.channel_gain
            )
