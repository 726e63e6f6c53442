"""The allocator that learning uses, against the thorough one."""

from __future__ import annotations

import numpy as np
import pytest

from dashf.pricing.sharing import share_resources
from mec_llm_env import (
    ObjectiveConfig,
    ScenarioConfig,
    evaluate,
    sample_scenario,
    violations,
)
from tests.dashf.extremes import random_objective, random_scenario

DEFAULT = ObjectiveConfig()


def case(batch, seed=0, **config):
    rng = np.random.default_rng(seed)
    config = ScenarioConfig(**config)
    s = sample_scenario(config, rng, batch)
    server = rng.integers(0, config.servers, (*batch, config.users))
    return s, np.eye(config.servers)[server]


def scr_of(s, x, objective=DEFAULT, **options):
    z = share_resources(s, x, objective, **options)
    assert max(v.max() for v in violations(s, z).values()) < 1e-9
    assert np.array_equal(z.association, x)
    return evaluate(s, z, objective).scr


@pytest.mark.parametrize("size", [(1, 1), (4, 2), (10, 2), (50, 10)])
def test_it_is_near_the_full_effort(size):
    s, x = case((30,), users=size[0], servers=size[1])
    loss = 1 - scr_of(s, x, effort="fast") / scr_of(s, x)
    assert loss.mean() < 5e-4
    assert loss.max() < 5e-3


def test_a_batch_is_decided_as_its_members_are():
    s, x = case((2, 3))
    together = share_resources(s, x, DEFAULT, effort="fast")
    alone = share_resources(s[1, 2], x[1, 2], DEFAULT, effort="fast")
    for name, value in alone.to_dict().items():
        np.testing.assert_allclose(getattr(together, name)[1, 2], value, rtol=1e-6)


def test_a_given_split_is_kept():
    s, x = case((20,), users=4)
    fraction = np.random.default_rng(1).uniform(0.1, 0.9, (20, 4))
    options = {"local_fraction": fraction}
    z = share_resources(s, x, DEFAULT, effort="fast", **options)
    assert np.array_equal(z.local_fraction, fraction)
    fast, full = (scr_of(s, x, effort=e, **options) for e in ("fast", "full"))
    assert (fast >= full * (1 - 1e-3)).all()
    assert (fast <= full * (1 + 1e-6)).all()


def test_compute_is_left_idle_where_energy_costs():
    s, x = case((), users=1, servers=1)
    s = type(s)(**s.to_dict() | {"server_power_coefficient": [1e-24]})
    z = share_resources(s, x, DEFAULT, effort="fast")
    assert z.server_frequency_hz[0] < 0.5 * s.server_frequency_max_hz[0]
    assert z.bandwidth_hz[0] == pytest.approx(s.bandwidth_max_hz[0])


def test_extreme_scenarios_and_objectives_are_shared_feasibly():
    rng, losses = np.random.default_rng(0), []
    for _ in range(25):
        s, objective = random_scenario(rng), random_objective(rng)
        server = rng.permutation(np.arange(s.n_users) % s.n_servers)
        x = np.eye(s.n_servers)[server]
        fast, full = (scr_of(s, x, objective, effort=e) for e in ("fast", "full"))
        losses.append(1 - fast / full)
    assert np.median(losses) < 1e-3
    assert np.isfinite(losses).all()


def test_an_unknown_effort_is_refused():
    s, x = case(())
    with pytest.raises(ValueError, match="`effort` must be one of full, fast; got 'a'"):
        share_resources(s, x, DEFAULT, effort="a")
