"""Scaling of shares so that they fit the servers."""

from __future__ import annotations

import numpy as np

from dashf.common.arrays import Array
from mec_llm_env import Allocation, Scenario

_LEAST_SHARE = 1e-20  # of a server or of a power


def fit_capacity(scenario: Scenario, allocation: Allocation) -> Allocation:
    """Returns allocations [...] scaled so that no server gives more than it has.

    Bandwidth is scaled to use every server's band, because more of it never hurts;
    server frequency only down, because idle compute saves energy. Shares that are as
    good as nothing, which no allocation may grant, are raised to 1e-20.
    """
    s, z, x = scenario, allocation, allocation.association

    def own(per_server: Array) -> Array:
        return np.vecdot(x, per_server[..., None, :])

    def share(amount: Array, capacity: Array) -> tuple[Array, Array]:
        of_server = np.maximum(amount / capacity, _LEAST_SHARE)
        return of_server, own(np.einsum("...nm,...n->...m", x, of_server))

    band_hz, compute_hz = own(s.bandwidth_max_hz), own(s.server_frequency_max_hz)
    band, band_used = share(z.bandwidth_hz, band_hz)
    compute, compute_used = share(z.server_frequency_hz, compute_hz)
    least_power = _LEAST_SHARE * s.transmit_power_max_w
    fitted = {
        "transmit_power_w": np.maximum(z.transmit_power_w, least_power),
        "bandwidth_hz": band / band_used * band_hz,
        "server_frequency_hz": compute / np.maximum(compute_used, 1.0) * compute_hz,
    }
    return z.changed(**fitted)
