"""SCR against the servers' GPU frequency, the power coefficient being the same."""

from typing import Any

from experiments.figure import Sweep, run_sweep
from mec_llm_env.config import ServerConfig


def overrides(factor: float) -> dict[str, Any]:
    """Scales the frequency, and the power there with its cube, so that κ stays."""
    default = ServerConfig()
    return {
        "server.frequency_ghz": tuple(factor * f for f in default.frequency_ghz),
        "server.power_w": tuple(factor**3 * power for power in default.power_w),
    }


SWEEP = Sweep(
    name="server_frequency",
    label="servers' GPU frequency, relative to 1.3 and 1.59 GHz",
    values=(0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5),
    overrides=overrides,
)

if __name__ == "__main__":
    run_sweep(SWEEP, __doc__)
