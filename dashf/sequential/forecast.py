"""What a user can expect of its future channels: places, shadowing, survival.

Places follow the velocity, whose conditional mean loses its memory slot by slot and
which the disc's edge reflects; shadowing keeps ρ^k of what it is, its conditional mean
k slots ahead; the job is still there with the probability of as many slots. What is
known is an observation, nothing else. So of a law with states of line of sight the mean
over both is expected, and being in one of them counts as shadowing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from dashf.common.arrays import Array
from mec_llm_env import MobileConfig, Scenario
from mec_llm_env.mobile.mobility import move
from mec_llm_env.mobile.observations import MobileObservation
from mec_llm_env.sampling import scenario_sampler

_DB = 10 / math.log(10)
_MEAN_FADING = 1 - 1 / math.e  # the uniform number whose fading is 1, the mean


def expected_slots(
    config: MobileConfig, seen: MobileObservation, count: int
) -> Iterator[Scenario]:
    """Yields the expected scenarios [...] of the next slots, without `serving`.

    Where places are not known all are in the middle and at rest, so that channels are
    expected to stay as they are.

    Args:
        config: of the mobility.
        seen: what is known, of any batch shape.
        count: of slots.
    """
    mobility, sampler = config.mobility, scenario_sampler(config)
    now = seen.scenario

    def gain(place: Array, shadowing_db: Array) -> Array:
        if sampler.has_states:
            return sampler.expected_gain(place[..., 0], place[..., 1], shadowing_db)
        fading = np.full(shadowing_db.shape, _MEAN_FADING)
        return sampler.channel_gain(place[..., 0], place[..., 1], shadowing_db, fading)

    place, velocity = now.user_position_m, seen.user_velocity_m_per_s
    assert place is not None
    nothing = np.zeros(now.channel_gain.shape)
    shadowing_db = _DB * np.log(now.channel_gain / gain(place, nothing))
    fixed = now.to_dict()
    del fixed["serving"]
    for _ in range(count):
        place, velocity, path_m = move(
            place, velocity, mobility.slot_s, config.layout.cell_radius_m
        )
        velocity = mobility.velocity_memory * velocity
        kept = np.exp(-path_m / mobility.shadowing_distance_m)
        shadowing_db = kept[..., None] * shadowing_db
        changed = {
            "channel_gain": gain(place, shadowing_db),
            "user_position_m": place,
        }
        yield Scenario.unchecked(**fixed | changed)
