from __future__ import annotations

from typing import Any

import pytest

from experiments.sweep import _with_numbers
from mec_llm_env import ScenarioConfig
from mec_llm_env.config import ruled


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("server.max_users", None, 1),
        ("server.max_users", [6, None], [6, 1]),
        ("radio.carrier_ghz", None, 1.0),
        ("radio.state_shadowing_std_db", None, [1.0, 1.0]),
        ("radio.bandwidth_mhz", 5.0, 5.0),
        ("radio.channel_gain_db", None, None),  # a matrix is no axis
        ("workload.model", None, None),
    ],
)
def test_what_may_be_none_can_be_an_axis(key: str, value: Any, expected: Any) -> None:
    axis = _with_numbers(value, ruled(ScenarioConfig()).get(key))
    assert axis == expected
    assert type(axis) is type(expected)
