"""SCR against the servers' GPU frequency, the power coefficient being the same."""

from typing import Any

import numpy as np

from experiments.figure.sweeps import Sweep, run_sweep
from mec_llm_env import ScenarioConfig


def overrides(base: ScenarioConfig, factor: float) -> dict[str, Any]:
    """Scales the frequency, and the power there with its cube, so that κ stays."""
    # One number stands for all servers.
    frequencies = np.atleast_1d(base.server.frequency_ghz).tolist()
    powers = np.atleast_1d(base.server.power_w).tolist()
    return {
        "server.frequency_ghz": tuple(factor * f for f in frequencies),
        "server.power_w": tuple(factor**3 * power for power in powers),
    }


SWEEP = Sweep(
    name="server_frequency",
    label="servers' GPU frequency, relative to their own",
    values=(0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5),
    overrides=overrides,
)

if __name__ == "__main__":
    run_sweep(SWEEP, __doc__)
