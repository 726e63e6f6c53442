"""Scenarios with fewer users and more servers, made of those that there are."""

from __future__ import annotations

import numpy as np
import pytest

from agents.apg.augmentation import ScenarioBatch
from mec_llm_env import Scenario, sample_scenario
from mec_llm_env.observations import ObservationCodec
from mec_llm_env.task import Task


@pytest.fixture
def scenario() -> Scenario:
    return sample_scenario(Task().config, np.random.default_rng(0), (7,))


@pytest.fixture
def batch(scenario: Scenario) -> ScenarioBatch:
    codec = Task().observation_codec
    return ScenarioBatch.of(codec, scenario, codec.encode(scenario))


def check_tokens(batch: ScenarioBatch) -> None:
    """The tokens are those of the scenario."""
    given = batch.scenario.to_numpy()
    codec = ObservationCodec(given.n_users, given.n_servers, "tokens")
    wanted = codec.encode(given)
    np.testing.assert_allclose(batch.users, wanted["users"], atol=1e-5)
    np.testing.assert_allclose(batch.servers, wanted["servers"], atol=1e-5)


def test_the_first_users(scenario: Scenario, batch: ScenarioBatch) -> None:
    fewer = batch.first_users(4)
    assert fewer.scenario.channel_gain.shape == (7, 4, 2)
    np.testing.assert_allclose(
        fewer.scenario.channel_gain, scenario.channel_gain[:, :4], rtol=1e-6
    )
    assert fewer.scenario.workload_flop.shape == (7, 4)
    assert fewer.scenario.bandwidth_max_hz.shape == (7, 2)
    check_tokens(batch)
    check_tokens(fewer)


@pytest.mark.parametrize("count", [2, 3])
def test_merged_they_have_the_servers_of_all(
    scenario: Scenario, batch: ScenarioBatch, count: int
) -> None:
    merged = batch.merged(count)
    gain = merged.scenario.channel_gain
    assert gain.shape == (7 // count, 10, 2 * count)
    for i in range(len(gain)):
        group = range(i * count, (i + 1) * count)
        for name in ("workload_flop", "noise_density_w_per_hz"):
            ours, theirs = getattr(merged.scenario, name), getattr(scenario, name)
            np.testing.assert_allclose(ours[i], theirs[group[0]], rtol=1e-6)
        for k, one in enumerate(group):
            columns = slice(2 * k, 2 * k + 2)
            np.testing.assert_allclose(
                gain[i, :, columns], scenario.channel_gain[one], rtol=1e-6
            )
            np.testing.assert_allclose(
                merged.scenario.bandwidth_max_hz[i, columns],
                scenario.bandwidth_max_hz[one],
                rtol=1e-6,
            )
    check_tokens(merged)
