from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from mec_llm_env import Allocation, evaluate
from mec_llm_env.actions import ActionCodec, decode_resources
from tests.mec_llm_env.actions.test_codec import draw
from tests.mec_llm_env.cases import equal_allocation, golden_cases, golden_scenario


@pytest.mark.parametrize("case", golden_cases("decode"))
def test_golden(case: dict[str, Any]) -> None:
    scenario = golden_scenario(case)
    codec = ActionCodec(scenario.n_users, scenario.n_servers)
    allocation = codec.decode(np.array(case["action"], np.float32), scenario)
    for name, expected in case["expected"].items():
        actual = getattr(allocation, name)
        np.testing.assert_allclose(actual, expected, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("share", [0.3, 1 / 1000.5])
def test_encode_covers_full_and_idle_compute(share: float) -> None:
    """A share below 0.001 fits only where the server is fully used."""
    scenario = draw(users=2, servers=1)
    capacity_hz = scenario.server_frequency_max_hz[0]
    full = dataclasses.replace(
        equal_allocation(scenario, [0, 0]),
        server_frequency_hz=capacity_hz * np.array([share, 1 - share]),
    )
    codec = ActionCodec(2, 1)
    decoded = codec.decode(codec.encode(full, scenario), scenario)
    np.testing.assert_allclose(
        decoded.server_frequency_hz, full.server_frequency_hz, rtol=1e-5
    )
    idle = dataclasses.replace(
        full, server_frequency_hz=full.server_frequency_hz * [1, 0.5]
    )
    if share > 0.001:
        decoded = codec.decode(codec.encode(idle, scenario), scenario)
        np.testing.assert_allclose(
            decoded.server_frequency_hz, idle.server_frequency_hz, rtol=1e-5
        )
    else:
        with pytest.raises(ValueError, match=r"`server_frequency_hz` must lie.*user 0"):
            codec.encode(idle, scenario)


def test_levels_by_hand() -> None:
    scenario = draw(users=1, servers=2)
    decoded = ActionCodec(1, 2, "multi_discrete").decode([1, 0, 10, 5, 10, 0], scenario)
    assert decoded.server == [1]
    assert decoded.local_fraction == pytest.approx(1 / 16)  # a = −1
    assert decoded.transmit_power_w == pytest.approx(scenario.transmit_power_max_w)
    assert decoded.bandwidth_hz == pytest.approx(1e7)  # alone: all of it
    assert decoded.server_frequency_hz == pytest.approx(1.59e9)  # a = 1: 10^0
    assert decoded.user_frequency_hz == pytest.approx(
        0.01 * scenario.user_frequency_max_hz
    )


@pytest.mark.parametrize(
    ("name", "factor", "text"),
    [
        ("transmit_power_w", 0.001, "0.01 to 1 of `transmit_power_max_w`"),
        ("user_frequency_hz", 0.001, "0.01 to 1 of `user_frequency_max_hz`"),
        ("bandwidth_hz", 0.5, "must use all .* 0.5 of it unused for server 0"),
        ("bandwidth_hz", [1e-4, *[1] * 9], "factor of at most e.6"),
    ],
)
def test_what_the_decoder_cannot_reach_is_refused(
    name: str, factor: Any, text: str
) -> None:
    scenario = draw()
    allocation = equal_allocation(scenario, np.arange(10) % 2)
    value = getattr(allocation, name) * factor
    allocation = dataclasses.replace(allocation, **{name: value})
    codec = ActionCodec(10, 2)
    with pytest.raises(ValueError, match=f"`{name}` .*{text}"):
        codec.encode(allocation, scenario)
    action, distance = codec.project(allocation, scenario)
    assert distance > 0.1
    evaluate(scenario, codec.decode(action, scenario))


def test_a_fixed_split_is_kept() -> None:
    scenario = draw()
    fixed = dataclasses.replace(
        scenario, local_fraction_max=scenario.local_fraction_min
    )
    codec = ActionCodec(10, 2)
    allocation = codec.decode(np.full(70, 0.5), fixed)
    np.testing.assert_array_equal(allocation.local_fraction, fixed.local_fraction_min)
    decoded = codec.decode(codec.encode(allocation, fixed), fixed)
    np.testing.assert_array_equal(decoded.local_fraction, fixed.local_fraction_min)


def test_pytorch_decodes_alike_and_is_differentiable() -> None:
    scenario = draw()
    rng = np.random.default_rng(0)
    resources = rng.uniform(-1, 1, (10, 5))
    association = np.eye(2)[rng.integers(0, 2, 10)]
    expected = decode_resources(scenario, association, resources)
    leaf = torch.tensor(resources, requires_grad=True)
    soft = torch.tensor(association, requires_grad=True)
    allocation = decode_resources(scenario.to_torch(), soft, leaf)
    for name in Allocation.field_names():
        actual = getattr(allocation.to_numpy(), name)
        np.testing.assert_allclose(actual, getattr(expected, name), rtol=1e-12)
    evaluate(scenario.to_torch(), allocation, check=False).scr.backward()
    assert (leaf.grad != 0).all()
    assert (soft.grad != 0).any()
