"""Which scenarios are those of validation and test."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from agents.instances import held_out_instances, validation_instances
from mec_llm_env import ScenarioConfig, sample_scenario


def test_instances_are_those_of_their_seeds() -> None:
    config = ScenarioConfig()
    held_out, validation = (
        held_out_instances(config, 3),
        validation_instances(config, 3),
    )
    for got, first in ((held_out, 20_000_000), (validation, 10_000_000)):
        for i in range(3):
            wanted = sample_scenario(config, np.random.default_rng(first + i))
            for name, value in dataclasses.asdict(wanted).items():
                np.testing.assert_array_equal(getattr(got, name)[i], value)
    with pytest.raises(ValueError, match="`instances` must lie in 1 … 10000000; got 0"):
        held_out_instances(config, 0)
