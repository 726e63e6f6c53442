"""Scenario sampling: one block of uniforms in, one scenario out.

A scenario is a pure function of a fixed-length block of uniforms, by inverse
distribution functions. So scalar and batched environments share their random streams,
and a batch is one array operation.
"""

from __future__ import annotations

import functools
import math
from functools import partial
from typing import Any

import numpy as np

from mec_llm_env._array import Array, like, namespace, ndtri
from mec_llm_env.channel.link import NEPER_PER_DB, shadowing_nepers
from mec_llm_env.channel.path_loss import MeanGain
from mec_llm_env.config import ScenarioConfig
from mec_llm_env.ranges import Limits, integer_argument, shorten
from mec_llm_env.sampling.fixed import (
    PARAMETERS,
    constant_fields,
    parameters_of_users,
)
from mec_llm_env.scenario import FIELD_LIMITS, GPU_POWER_W, Scenario
from mec_llm_env.workload.adapters import dataset_size_bit, training_flop

#: Uniforms are kept this far from 0 and 1: gains stay positive and finite. It changes
#: the distributions by 2e-9 in total variation.
EDGE = 1e-9

#: Drawn gains are kept in this range, as shadowing and fading have no bounds of their
#: own: below it nothing arrives, above it more would than was sent. `Scenario` takes
#: them and observations hold them.
GAIN_LIMITS = Limits(1e-26, 1.0)

_PER_USER = 8  # radius, angle, power, cores, frequency, GPU power, tokens, sequences


def sample_scenario(
    config: ScenarioConfig,
    rng: np.random.Generator,
    batch_shape: tuple[int, ...] = (),
) -> Scenario:
    """Draws a scenario, or a batch in the order in which single ones would be drawn.

    `sample_scenario(config, np.random.default_rng(k))` is the scenario of
    `env.reset(seed=k)`.

    Args:
        config: what to draw from.
        rng: the generator that the random numbers are taken from.
        batch_shape: `[...]` of the result; () for a single scenario.

    Returns:
        A scenario of float64 NumPy arrays with the given batch shape.

    Raises:
        ValueError: an argument is of another kind, or the parameters do not fit
            together; see `ScenarioSampler`.
    """
    if not isinstance(config, ScenarioConfig):
        raise ValueError(
            f"`config` must be a mec_llm_env.ScenarioConfig; got {shorten(config)}. "
            "`ScenarioConfig.preset` has the named ones."
        )
    checked_generator(rng)
    batch_shape = checked_batch_shape(batch_shape, "scenario")
    sampler = scenario_sampler(config)
    return sampler.from_uniforms(rng.random((*batch_shape, sampler.block_size)))


def checked_generator(rng: Any) -> None:
    """Refuses what is no generator of random numbers.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(rng, np.random.Generator):
        raise ValueError(
            f"`rng` must be a numpy.random.Generator; got {shorten(rng)}. Make one "
            "with `numpy.random.default_rng(seed)`."
        )


def checked_batch_shape(batch_shape: Any, what: str) -> tuple[int, ...]:
    """Returns the batch shape of what is to be drawn.

    Raises:
        ValueError: it is not a tuple of sizes.
    """
    if not isinstance(batch_shape, tuple | list):
        raise ValueError(
            f"`batch_shape` must be a tuple of sizes, () for a single {what}; got "
            f"{shorten(batch_shape)}."
        )
    return tuple(
        integer_argument("batch_shape", size, 0, 10**9) for size in batch_shape
    )


class ScenarioSampler:
    """Turns blocks of uniforms into scenarios of one configuration.

    Attributes:
        block_size: number of uniforms a scenario is made of.
        has_states: whether links are in line of sight, or not, at random.

    Raises:
        ValueError: the parameters, each in its range, give a field of the scenario that
            is not; the text names the parameters, the field and its range.
    """

    def __init__(self, config: ScenarioConfig) -> None:
        self.config = config
        n, m = config.users, config.servers
        self.has_states = config.radio.law.shadowing_std_db is not None
        self._per_pair = 3 if self.has_states else 2
        self.block_size = _PER_USER * n + self._per_pair * n * m
        self._constants = constant_fields(config)
        self._each, self._core_choices, self._core_counts = parameters_of_users(config)
        for value in self._constants.values():
            value.flags.writeable = False  # single scenarios share them
        self._check_fields()

    def from_uniforms(self, uniforms: Array) -> Scenario:
        """Maps uniforms in [0, 1), `[..., block_size]`, to scenarios `[...]`.

        They are NumPy's or, as in `jax_env`, of another library, and so is the result.
        """
        batch = uniforms.shape[:-1]
        per_user, shadowing, fading, sight = self.split(uniforms)
        fields = self.user_fields(*per_user[2:]) | self.constants(batch, uniforms)
        if "channel_gain" in fields:  # given: there are positions where they are, too
            return Scenario.unchecked(**fields)
        if (place := fields.get("user_position_m")) is not None:
            x_m, y_m = place[..., 0], place[..., 1]
        else:
            x_m, y_m = self.places(*per_user[:2])
            fields["user_position_m"] = namespace(x_m).stack([x_m, y_m], axis=-1)
        fields["channel_gain"] = self.channel_gain(
            x_m, y_m, self.shadowing_db(shadowing), fading, sight
        )
        return Scenario.unchecked(**fields)

    def split(self, uniforms: Array) -> tuple[list[Array], Array, Array, Array | None]:
        """Returns the parts of blocks: users', shadowing's, fading's and sight's.

        The users', [..., N] each, are radius and angle, then the arguments of
        `user_fields`; those of shadowing, fading and line of sight are [..., N, M], the
        last None where there are no such states. They are kept from 0 and 1.
        """
        per_user, *per_pair = self.views(_inside(uniforms))
        shadowing, fading, sight = (
            None if part is None else part.copy() for part in per_pair
        )
        return [part.copy() for part in per_user], shadowing, fading, sight

    def views(self, blocks: Array) -> tuple[list[Array], Array, Array, Array | None]:
        """Returns the parts of blocks as `split` does, as they are, without copying."""
        n, m = self.config.users, self.config.servers
        per_user = [blocks[..., i * n : (i + 1) * n] for i in range(_PER_USER)]
        shape = *blocks.shape[:-1], self._per_pair, n, m
        per_pair = blocks[..., _PER_USER * n :].reshape(shape)
        sight = per_pair[..., 2, :, :] if self.has_states else None
        return per_user, per_pair[..., 0, :, :], per_pair[..., 1, :, :], sight

    def places(self, radius: Array, angle: Array) -> tuple[Array, Array]:
        """Returns x and y, m, from uniforms: uniform in the disc."""
        # The square of the distance from the centre is uniform.
        xp = namespace(radius)
        distance_m = self.config.layout.cell_radius_m * xp.sqrt(radius)
        turn = 2 * math.pi * angle
        return distance_m * xp.cos(turn), distance_m * xp.sin(turn)

    def constants(
        self, batch: tuple[int, ...], uniforms: Array | None = None
    ) -> dict[str, Array]:
        """Returns the fields that all scenarios share; they cannot be written to.

        They are NumPy's, or of the library that the uniforms are of.
        """
        constants, xp = self._constants, np
        if uniforms is not None and type(uniforms) is not np.ndarray:
            constants = {k: like(uniforms, v) for k, v in constants.items()}
            xp = namespace(uniforms)
        return {
            name: xp.broadcast_to(value, (*batch, *value.shape)) if batch else value
            for name, value in constants.items()
        }

    def shadowing_db(self, uniforms: Array) -> Array:
        """Returns normal shadowing from uniforms.

        Where links have states it is in standard deviations, which the state has.
        """
        std_db = 1.0 if self.has_states else self.config.radio.shadowing_std_db
        return std_db * ndtri(uniforms)

    def user_fields(
        self,
        power_max: Array,
        cores: Array,
        frequency: Array,
        power: Array,
        tokens: Array,
        sequences: Array,
        *,
        users: Array | None = None,
    ) -> dict[str, Array]:
        """Returns the fields of users from their uniforms, in each of which they climb.

        Only `cores` picks from a list in the order that it has. The last axis of the
        uniforms is that of all users, or of those that `users` numbers.
        """
        work = self.config.workload
        of = partial(self._of_users, users=users, beside=tokens)
        n_tokens = _uniform_integer(tokens, of("workload.tokens"))
        n_sequences = _uniform_integer(sequences, of("workload.sequences"))
        gpu_power_w = _uniform(power, of("device.power_w"))
        reference_ghz = self._of_users("device.power_reference_ghz", users)
        return {
            "workload_flop": training_flop(
                n_tokens,
                sequences=n_sequences,
                epochs=of("workload.epochs"),
                decoder=work.decoder,
                adapter=work.adapters,
            ),
            "data_bit": dataset_size_bit(
                n_tokens, sequences=n_sequences, token_bit=work.token_bit
            ),
            "user_flop_per_cycle": self._cores(cores, users)
            * of("device.flop_per_cycle_per_core"),
            "user_frequency_max_hz": 1e9
            * _uniform(frequency, of("device.frequency_max_ghz")),
            "user_power_coefficient": gpu_power_w
            / like(power, _cube(1e9 * reference_ghz)),
            "transmit_power_max_w": _uniform(
                power_max, of("radio.transmit_power_max_w")
            ),
        }

    def _of_users(
        self, key: str, users: Array | None = None, beside: Array | None = None
    ) -> Any:
        """Returns a parameter: that of all, or [N] or [2, N] where users differ.

        The latter are NumPy's, or of the library that the array `beside` is of.
        """
        topic, _, name = key.partition(".")
        each = self._each.get(key)
        if each is None:
            return getattr(getattr(self.config, topic), name)
        each = each if users is None else each[..., users]
        return each if beside is None else like(beside, each)

    def _cores(self, uniforms: Array, users: Array | None) -> Array:
        """Returns numbers of cores, picked from the list of all or from a user's."""
        if self._core_choices is None:
            choices = np.asarray(self.config.device.cores, dtype=np.float64)
            return like(uniforms, choices)[_whole(uniforms * len(choices))]
        row = np.arange(self.config.users) if users is None else users
        pick = _whole(uniforms * like(uniforms, self._core_counts[row]))
        return like(uniforms, self._core_choices)[row, pick]

    def channel_gain(
        self,
        x_m: Array,
        y_m: Array,
        shadowing_db: Array,
        fading: Array,
        sight: Array | None = None,
    ) -> Array:
        """Returns gains [..., N, M] of places, shadowing and uniforms of fading.

        `sight` are uniforms of line of sight, which is where they are less than its
        probability, and needed where there are such states.
        """
        xp, mean = namespace(x_m), self.mean_gain(x_m, y_m)
        log_gain = mean.log_gain
        if mean.log_gain_blocked is not None:
            assert sight is not None
            assert mean.sight_probability is not None
            in_sight = sight < mean.sight_probability
            log_gain = xp.where(in_sight, log_gain, mean.log_gain_blocked)
            std_db = (like(x_m, std) for std in self.config.radio.shadowing_stds_db)
            shadowing_db = xp.where(in_sight, *std_db) * shadowing_db
        gain = xp.exp(log_gain + shadowing_nepers(shadowing_db))
        if self.config.radio.fading == "rayleigh":  # unit-mean exponential power
            gain = gain * -xp.log1p(-_inside(fading))
        return _clipped(gain, *GAIN_LIMITS)

    def expected_gain(self, x_m: Array, y_m: Array, deviation_db: Array) -> Array:
        """Returns gains [..., N, M] that deviate so from the mean over both states."""
        log_gain = self.mean_gain(x_m, y_m).expected()
        gain = namespace(x_m).exp(log_gain + shadowing_nepers(deviation_db))
        return _clipped(gain, *GAIN_LIMITS)

    def mean_gain(self, x_m: Array, y_m: Array) -> MeanGain:
        """Returns mean gains [..., N, M] of places [..., N], with the antennas'."""
        layout, radio = self.config.layout, self.config.radio
        xp = namespace(x_m)
        server_x_m, server_y_m = like(x_m, self._constants["server_position_m"].T)
        distance_m = xp.sqrt(  # a tenth of the time of np.hypot
            (x_m[..., None] - server_x_m) ** 2 + (y_m[..., None] - server_y_m) ** 2
        )
        mean = radio.law.mean_gain(
            xp.maximum(distance_m, layout.distance_min_m), **radio.law_parameters
        )
        return mean.raised(NEPER_PER_DB * radio.antenna_gain_db)

    def field_limits(self) -> dict[str, Limits]:
        """Returns the lowest and highest value that each field is ever drawn with."""
        fields = self._extremes()
        limits = {k: Limits(float(v.min()), float(v.max())) for k, v in fields.items()}
        return {"channel_gain": GAIN_LIMITS} | limits

    def explain(self, field: str, value: float) -> str:
        """Returns what gives a field of the scenario such a value, to tell the user."""
        parameters, work = self.config.to_dict(), self.config.workload
        unused = {f"workload.{name}" for name in work.unused}
        unused |= {"workload.model"} if work.model is None else set()
        keys = PARAMETERS.get(field, ("radio.channel_gain_db",))
        used = (k for k in keys if k not in unused)
        sources = (f"`{k}` = {shorten(parameters[k])}" for k in used)
        return f"`{field}` = {value:g} from {', '.join(sources)}"

    def _extremes(self) -> dict[str, Array]:
        """Returns fields with lowest and highest values: of users [2, 1] or [2, N]."""
        known = {*PARAMETERS, "channel_gain"}
        constant = {k: v for k, v in self._constants.items() if k in known}
        return self.user_extremes() | constant

    def user_extremes(self) -> dict[str, Array]:
        """Returns the lowest and highest value of users' fields, [2, 1] or [2, N]."""
        ends = np.array([[EDGE], [1 - EDGE]])
        fields = self.user_fields(*[ends] * 6, users=np.arange(self.config.users))
        cores = np.array(self._core_range())  # cores need not climb
        per_core = self._of_users("device.flop_per_cycle_per_core")
        return fields | {"user_flop_per_cycle": cores * per_core}

    def _core_range(self) -> tuple[Any, Any]:
        cores = self.config.device.cores
        if self._core_choices is None:
            return [float(min(cores))], [float(max(cores))]  # type: ignore[arg-type]
        each: Any = cores
        return [float(min(c)) for c in each], [float(max(c)) for c in each]

    def _check_fields(self) -> None:
        drawn = self.field_limits()
        for name, limits in FIELD_LIMITS.items():
            for value in drawn.get(name, ()):
                if not limits.lowest <= value <= limits.highest:
                    raise ValueError(
                        f"A field of the scenario must be from {limits}; got "
                        f"{self.explain(name, value)}."
                    )
        fields = self._extremes()
        for owner in ("user", "server"):
            coefficient, hz = f"{owner}_power_coefficient", f"{owner}_frequency_max_hz"
            both = np.broadcast_arrays(fields[coefficient], fields[hz])
            c, f = (array.ravel() for array in both)
            wrong = ~GPU_POWER_W.hold(c * f**3)
            if wrong.any():
                c, f = c[wrong.argmax()], f[wrong.argmax()]
                raise ValueError(
                    "A GPU at full speed must draw a power from "
                    f"{GPU_POWER_W} W; got {c * f**3:g} W, {self.explain(hz, f)}, "
                    f"{self.explain(coefficient, c)}."
                )


@functools.lru_cache(maxsize=32)
def scenario_sampler(config: ScenarioConfig) -> ScenarioSampler:
    """Returns the sampler of a configuration, made once."""
    return ScenarioSampler(config)


def is_fixed(config: ScenarioConfig) -> bool:
    """Whether every draw of a configuration is the same scenario."""
    sampler = scenario_sampler(config)
    if not all((low == high).all() for low, high in sampler.user_extremes().values()):
        return False
    # Users are: draws differ by places and channels, or not at all.
    rng = np.random.default_rng(0)
    first, other = (sample_scenario(config, rng).to_dict() for _ in range(2))
    return all(np.array_equal(value, other[name]) for name, value in first.items())


def _cube(value: Any) -> Any:
    """Returns the cube; NumPy's has another last digit, and users are to agree."""
    return value**3 if np.ndim(value) == 0 else np.array([float(v) ** 3 for v in value])


def _uniform(u: Array, limits: tuple[float, float]) -> Array:
    return limits[0] + (limits[1] - limits[0]) * u


def _uniform_integer(u: Array, limits: Any) -> Array:
    """Maps uniforms to whole numbers from lowest to highest, both included."""
    xp = namespace(u)
    number = xp.floor(limits[0] + (limits[1] - limits[0] + 1) * u)
    return xp.minimum(number, like(u, limits[1]))  # rounding may give one more


def _whole(values: Array) -> Array:
    """Returns the whole parts, to index with."""
    xp = namespace(values)
    return xp.astype(values, xp.int32)


def _inside(uniforms: Array) -> Array:
    """Returns uniforms that are kept from 0 and 1."""
    rounding = float(namespace(uniforms).finfo(uniforms.dtype).eps)
    return _clipped(uniforms, EDGE, 1 - max(EDGE, rounding))  # float32 ends before 1


def _clipped(values: Array, lowest: float, highest: float) -> Array:
    if type(values) is np.ndarray:  # twice as fast
        return np.clip(values, lowest, highest)
    xp = namespace(values)
    return xp.minimum(xp.maximum(values, lowest), highest)
