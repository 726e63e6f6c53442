"""Things that are handed in where something else is meant."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mec_llm_env import (
    Allocation,
    ObjectiveConfig,
    Scenario,
    ScenarioConfig,
    sample_scenario,
)

_OTHER = sample_scenario(ScenarioConfig(users=4), np.random.default_rng(0))
_X = np.eye(2)[[0, 1, 1]]
_BATCH = sample_scenario(ScenarioConfig(users=3), np.random.default_rng(0), (2,))
_Z = Allocation.from_server(
    [0, 1, 1, 0], 2, **dict.fromkeys(Allocation.field_names()[1:], np.ones(4))
)

#: For functions of 3 users and 2 servers, of whose scenarios none is here alone.
JUNK: list[Any] = [
    *(None, True, -1, 1.5, float("nan"), float("inf"), 10**400, 1j, "a", b"a", ""),
    *([], {}, (), set(), object(), [None], ["a"], [[1.0], [1.0, 2.0]], ("CVX",), print),
    *({"delay_weight": 1.0}, ScenarioConfig(), ObjectiveConfig, Scenario, np.nan),
    *(_BATCH, _BATCH[:0], _BATCH.to_torch(), _OTHER, _OTHER.to_torch()),
    *(_OTHER.to_dict(), _Z, _Z.to_torch(), _Z.to_dict()),
    *(np.array("a"), np.array(None), np.zeros((0, 2)), np.full((3, 2), np.nan)),
    *(_X.T, np.ones((3, 2)), np.full((3, 2), 0.5), np.zeros((2, 3)), np.ma.masked),
    *(torch.ones(3, 2), torch.tensor(1j), torch.float64, np.ones(3), np.ones(2)),
    *(np.float32(0.5), np.int64(1), np.datetime64("2024-01-01"), {1: 2, "a": 3}),
]
