"""Mobility: how a slot follows from the one before it and a block of uniforms.

As in `sampling`, everything is a pure function of fixed-length blocks, by inverse
distribution functions, over any batch shape: scalar and batched environments agree
bit for bit, and a trajectory is what they go through slot by slot.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from mec_llm_env._array import Array
from mec_llm_env.mobile.config import MobileConfig, MobilityConfig
from mec_llm_env.record import ArrayRecord
from mec_llm_env.sampling import EDGE, scenario_sampler
from mec_llm_env.scenario import FIELD_LIMITS, Scenario
from mec_llm_env.workload.adapters import adapter_size_bit

_PER_USER = 4  # end of the job, speed, two components of the velocity

# Users are kept inside of the disc by more than rounding: part of its radius.
_INSIDE = 1 - 1e-12
# A path along the edge meets it again after this part of the radius, at least.
_SHORTEST_CHORD = 1e-9


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class MobilityState(ArrayRecord):
    """A slot, and what the next one depends on. Shapes: `...` batch, N users."""

    joined: Array  # [..., N] bool: this user took its row in this slot
    scenario: Scenario  # [...] of the slot; nobody has a server yet
    user_velocity_m_per_s: Array  # [..., N, 2] m/s, until the next slot
    user_speed_m_per_s: Array  # [..., N] m/s, root mean square over time: its class
    # [..., N, M] dB; of laws with states of sight in standard deviations
    shadowing_db: Array
    # [..., N, M] normal numbers, low ones in line of sight; None: no such states
    sight: Array | None = None


class MobilitySampler:
    """Turns blocks of uniforms into the slots of a trajectory, one after another.

    A block begins with that of a scenario (`ScenarioSampler`), which whoever joins is
    drawn from; its shadowing is the innovation of those who stay. Then, N each: end of
    the job before, speed, and the normal numbers of the velocity's two components.

    Attributes:
        block_size: number of uniforms of a slot.

    Raises:
        ValueError: the parameters, each in its range, give a field of the scenario that
            is not; the text names the parameters, the field and its range.
    """

    def __init__(self, config: MobileConfig) -> None:
        self.config = config
        self.scenarios = scenario_sampler(config)
        self.block_size = self.scenarios.block_size + _PER_USER * config.users
        self._migration = {
            name: np.full(config.users, amount)
            for name, amount in _migration(config).items()
        }
        for amounts in self._migration.values():
            amounts.flags.writeable = False  # single scenarios share them

    def begin(self, uniforms: Array) -> MobilityState:
        """Returns the first slot `[...]` from a block `[..., block_size]`: all join."""
        _, speed, normal = self._split(uniforms)
        n_scenario = self.scenarios.block_size
        _, shadowing, _, sight = self.scenarios.split(uniforms[..., :n_scenario])
        speed_m_per_s = speed_from_uniform(speed, self.config.mobility)
        scenario = self.scenarios.from_uniforms(uniforms[..., :n_scenario])
        amounts = self.amounts(speed.shape[:-1])
        return MobilityState(
            joined=np.ones(speed.shape, dtype=np.bool_),
            scenario=scenario.changed(**amounts),
            user_velocity_m_per_s=_component(speed_m_per_s)[..., None] * normal,
            user_speed_m_per_s=speed_m_per_s,
            shadowing_db=self.scenarios.shadowing_db(shadowing),
            sight=None if sight is None else ndtri(sight),
        )

    def advance(self, state: MobilityState, uniforms: Array) -> MobilityState:
        """Returns the slot after `state` from a block `[..., block_size]`.

        Users move, some leave for others, and the channels follow.
        """
        mobility, old = self.config.mobility, state.scenario
        end, speed, normal = self._split(uniforms)
        per_user, shadowing, fading, fresh_sight = self.scenarios.views(
            uniforms[..., : self.scenarios.block_size]
        )
        joined = end < mobility.job_end_probability

        # Users who stay move on; those who join are placed at random.
        velocity = state.user_velocity_m_per_s
        place, velocity, path_m = move(
            old.user_position_m,
            velocity,
            mobility.slot_s,
            self.config.layout.cell_radius_m,
        )
        speed_m_per_s = state.user_speed_m_per_s
        fields = {name: getattr(old, name) for name in _OF_A_USER}
        if joined.any():
            new = np.nonzero(joined)  # found once, not at every use of the mask
            drawn = [_inside(part[new]) for part in per_user]
            place[new] = np.stack(self.scenarios.places(*drawn[:2]), axis=-1)
            speed_m_per_s = speed_m_per_s.copy()
            speed_m_per_s[new] = speed_from_uniform(speed[new], mobility)
            for name, values in self.scenarios.user_fields(
                *drawn[2:], users=new[-1]
            ).items():
                fields[name] = fields[name].copy()
                fields[name][new] = values

        # Gauss-Markov [Liang and Haas 1999], with a memory of 0 for users who join.
        memory = np.where(joined, 0.0, mobility.velocity_memory)
        spread = np.sqrt(1 - memory**2) * _component(speed_m_per_s)
        velocity = memory[..., None] * velocity + spread[..., None] * normal

        fresh_db = self.scenarios.shadowing_db(_inside(shadowing))
        shadowing_db = self.shadowing_onward_db(
            state.shadowing_db, fresh_db, path_m, joined
        )
        sight = self.sight_onward(state.sight, fresh_sight, path_m, joined)

        gain = self.scenarios.channel_gain(
            *(place[..., 0], place[..., 1], shadowing_db, fading),
            None if sight is None else ndtr(sight),
        )
        return MobilityState(
            joined=joined,
            scenario=Scenario.unchecked(
                channel_gain=gain,
                user_position_m=place,
                **fields,
                **self.scenarios.constants(joined.shape[:-1]),
                **self.amounts(joined.shape[:-1]),
            ),
            user_velocity_m_per_s=velocity,
            user_speed_m_per_s=speed_m_per_s,
            shadowing_db=shadowing_db,
            sight=sight,
        )

    def shadowing_onward_db(
        self, old_db: Array, fresh_db: Array, path_m: Array, joined: Array
    ) -> Array:
        """Returns shadowing [..., N, M] after paths [..., N] [Gudmundson 1991].

        Users who have joined, [..., N], take `fresh_db`, which is independent.
        """
        distance_m = self.config.mobility.shadowing_distance_m
        return _onward(old_db, fresh_db, path_m / distance_m, joined)

    def sight_onward(
        self, old: Array | None, uniforms: Array | None, path_m: Array, joined: Array
    ) -> Array | None:
        """Returns `MobilityState.sight` after paths [..., N], from fresh uniforms.

        The states are spatially consistent [TR 38.901, 7.6.3.1 and 7.6.3.3]: a normal
        number that changes along the path says whether the line of sight is free.
        """
        if old is None or uniforms is None:
            return None
        distance_m = self.config.mobility.sight_distance_m
        return _onward(old, ndtri(_inside(uniforms)), path_m / distance_m, joined)

    def amounts(self, batch: tuple[int, ...]) -> dict[str, Array]:
        """Returns what moving a user's state takes; it cannot be written to."""
        return {
            name: np.broadcast_to(value, (*batch, *value.shape)) if batch else value
            for name, value in self._migration.items()
        }

    def _split(self, uniforms: Array) -> tuple[Array, Array, Array]:
        """Returns uniforms of ends and speeds [..., N], normal numbers [..., N, 2]."""
        n = self.config.users
        own = _inside(uniforms[..., self.scenarios.block_size :])
        end, speed, x, y = (own[..., i * n : (i + 1) * n] for i in range(_PER_USER))
        return end, speed, ndtri(np.stack([x, y], axis=-1))


def _migration(config: MobileConfig) -> dict[str, float]:
    """Returns what moving a user's training state takes, by field of the scenario.

    Raises:
        ValueError: it is more than a scenario may have.
    """
    work, migration = config.workload, config.migration
    bit = adapter_size_bit(
        decoder=work.decoder,
        adapter=work.adapters,
        parameter_bit=work.adapter_parameter_bit + migration.optimizer_bit,
    )
    amounts = {
        "migration_delay_s": bit / (1e6 * migration.backhaul_mbit_per_s),
        "migration_energy_j": bit * 1e-9 * migration.energy_nj_per_bit,
    }
    for name, value in amounts.items():
        if not FIELD_LIMITS[name].hold(value):
            raise ValueError(
                f"`{name}` must be from {FIELD_LIMITS[name]}; got {value:g} for a "
                f"training state of {bit:g} bit, `migration.backhaul_mbit_per_s` = "
                f"{migration.backhaul_mbit_per_s} and `migration.energy_nj_per_bit` = "
                f"{migration.energy_nj_per_bit}."
            )
    return amounts


_OF_A_USER = (
    "workload_flop",
    "data_bit",
    "user_flop_per_cycle",
    "user_frequency_max_hz",
    "user_power_coefficient",
    "transmit_power_max_w",
)


@functools.lru_cache(maxsize=32)
def mobility_sampler(config: MobileConfig) -> MobilitySampler:
    """Returns the sampler of a configuration, made once."""
    return MobilitySampler(config)


def speed_from_uniform(u: Array, mobility: MobilityConfig) -> Array:
    """Returns users' speeds, m/s, climbing in the uniforms: slowest class first."""
    still, pedestrian, _ = mobility.shares
    speed = np.zeros_like(u)
    lowest = still
    for share, limits in (
        (pedestrian, mobility.pedestrian_speed_m_per_s),
        (1 - still - pedestrian, mobility.vehicular_speed_m_per_s),
    ):
        within = (u - lowest) / share if share > 0 else 0.0
        drawn = limits[0] + (limits[1] - limits[0]) * np.minimum(within, 1.0)
        speed = np.where(u >= lowest, drawn, speed) if share > 0 else speed
        lowest += share
    return speed


def _onward(old: Array, fresh: Array, path: Array, joined: Array) -> Array:
    """Returns normal numbers [..., N, M] that paths [..., N] make like fresh ones."""
    kept = np.where(joined, 0.0, np.exp(-path))[..., None]
    return kept * old + np.sqrt(1 - kept**2) * fresh


def _inside(uniforms: Array) -> Array:
    """Returns uniforms that are kept from 0 and 1, as those of scenarios are."""
    return np.clip(uniforms, EDGE, 1 - EDGE)


def _component(speed_m_per_s: Array) -> Array:
    """Returns the spread of each of the two components of a velocity, m/s."""
    return speed_m_per_s / math.sqrt(2)


def move(
    place_m: Array, velocity: Array, slot_s: float, radius_m: float
) -> tuple[Array, Array, Array]:
    """Moves users for a slot on straight lines that the disc's edge reflects.

    Args:
        place_m: [..., N, 2] m, inside of the disc.
        velocity: [..., N, 2] m/s.
        slot_s: s.
        radius_m: of the disc, m.

    Returns:
        Places and velocities afterwards, and the lengths of the paths, [..., N] m.
    """
    x, y = place_m[..., 0], place_m[..., 1]
    step_x, step_y = slot_s * velocity[..., 0], slot_s * velocity[..., 1]
    path_m = np.sqrt(step_x**2 + step_y**2)
    moved = np.stack([x + step_x, y + step_y], axis=-1)
    squared = moved[..., 0] ** 2 + moved[..., 1] ** 2
    leaves = squared > radius_m**2
    if leaves.any():
        leaves = np.nonzero(leaves)
        velocity = velocity.copy()
        moved[leaves], velocity[leaves] = _reflect(
            place_m[leaves] / radius_m,
            velocity[leaves],
            path_m[leaves] / radius_m,
        )
        moved[leaves] *= radius_m
    return moved, velocity, path_m


def _reflect(place: Array, velocity: Array, path: Array) -> tuple[Array, Array]:
    """Returns where a path through the unit disc ends, and the velocity there.

    All chords after the first hit are alike: each turns by the same angle about the
    centre. So any number of reflections is one rotation.

    Args:
        place: [K, 2] inside of the disc.
        velocity: [K, 2] of which the direction counts.
        path: [K] its length, beyond the edge.
    """
    x, y = place[:, 0].copy(), place[:, 1].copy()
    speed = np.sqrt(velocity[:, 0] ** 2 + velocity[:, 1] ** 2)
    u_x, u_y = velocity[:, 0] / speed, velocity[:, 1] / speed

    # The first hit: where the line |place + s u| = 1.
    along = x * u_x + y * u_y
    half_chord = np.sqrt(np.maximum(1 - x**2 - y**2 + along**2, 0))
    half_chord = np.maximum(half_chord, _SHORTEST_CHORD)
    to_edge = half_chord - along
    hit_x, hit_y = x + to_edge * u_x, y + to_edge * u_y
    outward = hit_x * u_x + hit_y * u_y
    out_x, out_y = u_x - 2 * outward * hit_x, u_y - 2 * outward * hit_y

    # Whole chords after it, then what is left of the path.
    rest = np.maximum(path - to_edge, 0)
    chords = np.floor(rest / (2 * half_chord))
    rest = rest - 2 * half_chord * chords
    sideways = hit_x * u_y - hit_y * u_x  # sine of the angle of incidence
    turn = chords * np.copysign(
        math.pi - 2 * np.arctan2(np.abs(sideways), half_chord), sideways
    )
    cos, sin = np.cos(turn), np.sin(turn)
    end_x, end_y = hit_x + rest * out_x, hit_y + rest * out_y
    end = np.stack([cos * end_x - sin * end_y, sin * end_x + cos * end_y], axis=-1)
    out = np.stack([cos * out_x - sin * out_y, sin * out_x + cos * out_y], axis=-1)

    distance = np.sqrt(end[:, 0] ** 2 + end[:, 1] ** 2)
    end *= (_INSIDE / np.maximum(distance, _INSIDE))[:, None]
    return end, out * speed[:, None]
