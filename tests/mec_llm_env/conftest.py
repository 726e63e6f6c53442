"""The toy scenario; windows that do not wait."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

#: Of gains and noise, of which only the quotient counts: a power of two, exactly.
UNIT = 2.0**-30


@pytest.fixture(autouse=True, scope="session")
def hurried() -> Iterator[None]:
    """Pictures do not wait for their turn: Gymnasium's checks show many."""
    with pytest.MonkeyPatch.context() as patch:
        if find_spec("pygame") and find_spec("matplotlib"):
            patch.setattr("mec_llm_env.rendering.window.sleep", lambda _: None)
        yield


@pytest.fixture
def toy_fields() -> dict[str, Any]:
    """Two users, one server, with round numbers: see test_objective for the sums."""
    return {
        "channel_gain": [[1 * UNIT], [3 * UNIT]],
        "workload_flop": [8.0, 8.0],
        "data_bit": [1.0, 2.0],
        "adapter_bit": [2.0, 4.0],
        "user_flop_per_cycle": [2.0, 4.0],
        "user_frequency_max_hz": [2.0, 1.0],
        "user_power_coefficient": [0.5, 1.0],
        "transmit_power_max_w": [1.0, 2.0],
        "local_fraction_min": [0.25, 0.25],
        "local_fraction_max": [0.75, 0.75],
        "server_flop_per_cycle": [4.0],
        "server_frequency_max_hz": [2.0],
        "server_power_coefficient": [0.25],
        "bandwidth_max_hz": [2.0],
        "downlink_power_w": [6.0],
        "noise_density_w_per_hz": 1 * UNIT,
    }
