"""Scenario sampling: one block of uniforms in, one scenario out.

A scenario is a pure function of a fixed-length block of uniforms, by inverse
distribution functions. So scalar and batched environments share their random streams,
and a batch is one array operation.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy.special import ndtri

from mec_llm_env._array import Array
from mec_llm_env.channel import mean_log_gain, shadowing_nepers
from mec_llm_env.config import ScenarioConfig
from mec_llm_env.scenario import Scenario
from mec_llm_env.workload import adapter_size_bit, dataset_size_bit, training_flop

# Uniforms are kept this far from 0 and 1: gains stay positive and finite. It changes
# the distributions by 2e-9 in total variation.
_EDGE = 1e-9

_PER_USER = 8  # radius, angle, power, cores, frequency, GPU power, tokens, sequences


def sample_scenario(
    config: ScenarioConfig,
    rng: np.random.Generator,
    batch_shape: tuple[int, ...] = (),
) -> Scenario:
    """Draws a scenario, or a batch in the order in which single ones would be drawn.

    `sample_scenario(config, np.random.default_rng(k))` is the scenario of
    `env.reset(seed=k)`.

    Returns:
        A scenario of float64 NumPy arrays with the given batch shape.
    """
    sampler = scenario_sampler(config)
    return sampler.from_uniforms(rng.random((*batch_shape, sampler.block_size)))


class ScenarioSampler:
    """Turns blocks of uniforms into scenarios of one configuration.

    `block_size` is the number of uniforms a scenario is made of.
    """

    def __init__(self, config: ScenarioConfig) -> None:
        self.config = config
        n, m = config.users, config.servers
        self.block_size = _PER_USER * n + 2 * n * m
        self._constants = _constant_fields(config)
        for value in self._constants.values():
            value.flags.writeable = False  # single scenarios share them

    def from_uniforms(self, uniforms: Array) -> Scenario:
        """Maps uniforms in [0, 1), `[..., block_size]`, to scenarios `[...]`."""
        config = self.config
        n, m = config.users, config.servers
        batch = uniforms.shape[:-1]
        u = np.clip(uniforms, _EDGE, 1 - _EDGE)
        per_user = [u[..., i * n : (i + 1) * n].copy() for i in range(_PER_USER)]
        per_pair = u[..., _PER_USER * n :].reshape(*batch, 2, n, m)
        radius, angle, power_max, cores, frequency, power, tokens, sequences = per_user

        # Uniform in the disc: the square of the distance from its centre is uniform.
        distance_m = config.layout.cell_radius_m * np.sqrt(radius)
        turn = 2 * math.pi * angle
        position_m = np.empty((*batch, n, 2))
        position_m[..., 0] = x_m = distance_m * np.cos(turn)
        position_m[..., 1] = y_m = distance_m * np.sin(turn)

        device, work = config.device, config.workload
        gpu_power_w = _uniform(power, device.power_w)
        n_tokens = _uniform_integer(tokens, work.tokens)
        n_sequences = _uniform_integer(sequences, work.sequences)
        core_choices = np.asarray(device.cores, dtype=np.float64)
        n_cores = core_choices[(cores * len(core_choices)).astype(np.int64)]
        return Scenario.unchecked(
            channel_gain=self._channel_gain(x_m, y_m, per_pair),
            workload_flop=training_flop(
                n_tokens,
                sequences=n_sequences,
                epochs=work.epochs,
                layers=work.layers,
                width=work.width,
                bottleneck=work.bottleneck,
            ),
            data_bit=dataset_size_bit(
                n_tokens, sequences=n_sequences, token_bit=work.token_bit
            ),
            user_flop_per_cycle=n_cores * device.flop_per_cycle_per_core,
            user_frequency_max_hz=1e9 * _uniform(frequency, device.frequency_max_ghz),
            user_power_coefficient=gpu_power_w
            / (1e9 * device.power_reference_ghz) ** 3,
            transmit_power_max_w=_uniform(power_max, config.radio.transmit_power_max_w),
            user_position_m=position_m,
            **{
                name: np.broadcast_to(value, (*batch, *value.shape)) if batch else value
                for name, value in self._constants.items()
            },
        )

    def _channel_gain(self, x_m: Array, y_m: Array, per_pair: Array) -> Array:
        """Returns the gains [..., N, M] from positions and two blocks of uniforms."""
        layout, radio = self.config.layout, self.config.radio
        server_x_m, server_y_m = self._constants["server_position_m"].T
        distance_m = np.sqrt(  # a tenth of the time of np.hypot
            (x_m[..., None] - server_x_m) ** 2 + (y_m[..., None] - server_y_m) ** 2
        )
        log_gain = mean_log_gain(
            np.maximum(distance_m, layout.distance_min_m),
            path_loss_intercept_db=radio.path_loss_intercept_db,
            path_loss_slope_db=radio.path_loss_slope_db,
        )
        shadowing_db = radio.shadowing_std_db * ndtri(per_pair[..., 0, :, :].copy())
        gain = np.exp(log_gain + shadowing_nepers(shadowing_db))
        if radio.fading == "rayleigh":  # unit-mean exponential power
            gain = gain * -np.log1p(-per_pair[..., 1, :, :].copy())
        return gain


@functools.lru_cache(maxsize=32)
def scenario_sampler(config: ScenarioConfig) -> ScenarioSampler:
    """Returns the sampler of a configuration, made once."""
    return ScenarioSampler(config)


def _constant_fields(config: ScenarioConfig) -> dict[str, Array]:
    """Returns the fields that every scenario of a configuration shares, unbatched."""
    server, radio, work = config.server, config.radio, config.workload
    n, m = config.users, config.servers
    turn = np.arange(m) % len(server.cores)
    frequency_hz = 1e9 * np.asarray(server.frequency_ghz)[turn]
    slots = n if server.max_users is None else server.max_users
    noise_dbm = radio.noise_density_dbm_per_hz + radio.noise_figure_db
    adapter_bit = adapter_size_bit(
        layers=work.layers,
        width=work.width,
        bottleneck=work.bottleneck,
        parameter_bit=work.adapter_parameter_bit,
    )
    return {
        "adapter_bit": np.full(n, float(adapter_bit)),
        "local_fraction_min": np.full(n, 1 / work.layers),
        "local_fraction_max": np.full(n, 1 - 1 / work.layers),
        "server_flop_per_cycle": server.flop_per_cycle_per_core
        * np.asarray(server.cores, dtype=np.float64)[turn],
        "server_frequency_max_hz": frequency_hz,
        "server_power_coefficient": np.asarray(server.power_w)[turn] / frequency_hz**3,
        "bandwidth_max_hz": np.full(m, 1e6 * radio.bandwidth_mhz),
        "downlink_power_w": np.full(m, float(radio.downlink_power_w)),
        "max_users": np.full(m, float(slots)),
        "noise_density_w_per_hz": np.asarray(10 ** (noise_dbm / 10 - 3)),
        "server_position_m": _server_positions_m(config),
    }


def _server_positions_m(config: ScenarioConfig) -> Array:
    """Returns [M, 2]: evenly on a ring, or one server at the centre."""
    m = config.servers
    if m == 1:
        return np.zeros((1, 2))
    ring_m = config.layout.server_ring_ratio * config.layout.cell_radius_m
    angle = 2 * math.pi * np.arange(m) / m
    return ring_m * np.stack([np.cos(angle), np.sin(angle)], axis=-1)


def _uniform(u: Array, limits: tuple[float, float]) -> Array:
    return limits[0] + (limits[1] - limits[0]) * u


def _uniform_integer(u: Array, limits: tuple[int, int]) -> Array:
    """Maps uniforms to whole numbers from lowest to highest, both included."""
    return np.floor(limits[0] + (limits[1] - limits[0] + 1) * u)
