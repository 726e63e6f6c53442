"""Whatever `make` accepts runs for ever: random overrides, many decisions of each."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mec_llm_env import DECODERS, Scenario, ScenarioConfig
from mec_llm_env.channel.path_loss import LAWS
from mec_llm_env.ranges import Rule
from mec_llm_env.sampling import PARAMETERS, scenario_sampler
from mec_llm_env.task import Task

DEFAULTS = ScenarioConfig().to_dict()
JUNK: list[Any] = [
    *(None, True, "10", "", [], {}, [None], ["a", 1], b"x", 1j, object()),
    *(math.nan, math.inf, -math.inf, -1, 0, 1e-320, 1e308, 10**400, 10**30),
    *(np.nan, np.float32(2), np.int64(3), np.bool_(True), np.zeros(3), [[1, 2]]),
]


def rules() -> dict[str, Rule | None]:
    """The rule of every parameter; None for words."""
    found: dict[str, Rule | None] = {}
    config = ScenarioConfig()
    for key in DEFAULTS:
        topic, _, name = key.rpartition(".")
        owner = getattr(config, topic) if topic else config
        spec = next(s for s in dataclasses.fields(owner) if s.name == name)
        rule = spec.metadata["rule"]
        found[key] = rule if isinstance(rule, Rule) else None
    return found


RULES = rules()
EACH = {"user": 3, "server": 2}
#: The values of what is no number.
WORDS = {
    "radio.fading": ["rayleigh", "none"],
    "radio.path_loss": [*LAWS],
    "workload.model": [*DECODERS, "config.json", "{}"],
    "workload.adapter": ["houlsby", "lora"],
    "workload.lora_targets": ["q", "k", "v", "o", "gate", "up", "down"],
    "workload.split": ["continuous", "whole_layers"],
}


def random_number(rng: np.random.Generator, rule: Rule, default: float) -> Any:
    """At an end of the range, anywhere in it, or about its default."""
    low, high = rule.limits
    kind = rng.integers(4)
    if kind == 0:
        value = float(rng.choice([low, high]))
    elif kind == 1 and low > 0:
        value = float(10 ** rng.uniform(np.log10(low), np.log10(high)))
    elif kind == 1:
        value = float(rng.uniform(low, high))
    else:
        value = float(default) * 10 ** rng.uniform(-1, 1) * rng.choice([1, 1, 2])
    value = min(max(value, low), high)
    return int(value) if rule.integer else value


def random_value(rng: np.random.Generator, key: str) -> Any:
    if rng.random() < 0.03:
        return JUNK[rng.integers(len(JUNK))]
    rule, default = RULES[key], DEFAULTS[key]
    if rule is None:
        words = WORDS[key]
        many = isinstance(default, list)
        some = rng.permutation(words)[: rng.integers(1, len(words) + 1)].tolist()
        return some if many else str(rng.choice(words))
    if rule.per and (rule.always_each or rng.random() < 0.3):
        # Mostly as many as there are: the size is 3 × 2 half the time.
        return [random_entry(rng, rule, default) for _ in range(EACH[rule.per])]
    return random_entry(rng, rule, default)


def random_entry(rng: np.random.Generator, rule: Rule, default: Any) -> Any:
    if rule.entries == "one":
        return random_number(rng, rule, 5 if default is None else default)
    if rule.entries in ("point", "row"):
        usual = (-300.0, 300.0) if rule.entries == "point" else (-250.0, -20.0)
        ends = rule.limits if rng.random() < 0.2 else usual
        return rng.uniform(*ends, 2).tolist()
    count = 2 if rule.entries == "pair" else int(rng.integers(1, 4))
    about = 5 if default is None else default[0]
    numbers = [random_number(rng, rule, about) for _ in range(count)]
    return sorted(numbers) if rule.entries == "pair" else numbers


def random_overrides(rng: np.random.Generator) -> dict[str, Any]:
    """Some parameters at random; the size small, so that many decisions are quick."""
    keys = rng.choice([*DEFAULTS], rng.choice([1, 1, 2, 3, 6]), replace=False)
    overrides = {str(key): random_value(rng, str(key)) for key in keys}
    if rng.random() < 0.8:
        overrides |= fitting(rng, overrides)
    size = {"users": int(rng.integers(1, 6)), "servers": int(rng.integers(1, 4))}
    if rng.random() < 0.5:
        size = {f"{per}s": count for per, count in EACH.items()}
    return size | {k: v for k, v in overrides.items() if k not in size}


def fitting(rng: np.random.Generator, overrides: dict[str, Any]) -> dict[str, Any]:
    """What several parameters must have in common: a sum, a number of models, a law."""
    weights = [key for key in DEFAULTS if key.startswith("objective.score_weight")]
    models = ["server.cores", "server.frequency_ghz", "server.power_w"]
    fit: dict[str, Any] = {}
    of_laws = {name for law in LAWS.values() for name in law.takes}
    if taken := {key.rpartition(".")[2] for key in overrides} & of_laws:
        suited = [name for name, law in LAWS.items() if taken <= {*law.takes}]
        fit["radio.path_loss"] = str(rng.choice(suited or [*LAWS]))
    if set(overrides) & set(weights):
        fit |= dict(zip(weights, rng.dirichlet([0.3] * 4).tolist(), strict=True))
    if set(overrides) & set(models):
        count = int(rng.integers(1, 4))
        fit |= {
            key: [random_number(rng, RULES[key], DEFAULTS[key][0])] * count  # type: ignore[arg-type]
            for key in models
        }
    return fit


def runs_for_ever(overrides: dict[str, Any], rng: np.random.Generator, n: int) -> bool:
    """Whether the overrides are accepted; if so, `n` decisions are tried."""
    batch = min(n, 1000)
    try:
        env = gym.make_vec("MecLlm-v0", batch, overrides=overrides)
    except ValueError as error:
        text = str(error)
        assert "`" in text or "There is no" in text, overrides
        assert any(key.rpartition(".")[2] in text for key in overrides), text
        return False
    sampler = env.unwrapped.task.sampler  # type: ignore[attr-defined]
    edges = rng.choice([0.0, 0.5, 1.0], (50, sampler.block_size))
    rare = sampler.from_uniforms(edges)  # what 10^9 draws may bring
    Scenario(**rare.to_dict())
    task: Task = env.unwrapped.task  # type: ignore[attr-defined]
    assert np.isfinite(task.observation_codec.encode(rare)).all()
    env.reset(seed=int(rng.integers(10**6)))
    shape = env.action_space.shape
    for _ in range(n // batch):
        actions = rng.uniform(-1.5, 1.5, shape).clip(-1, 1).astype(np.float32)
        observation, reward, _, _, infos = env.step(actions)
        assert np.isfinite(reward.astype(np.float32)).all(), overrides
        assert (reward > 0).all(), overrides
        assert (np.abs(observation) <= 10).all(), overrides
        for value in infos["final_info"].values():
            assert np.isfinite(value).all(), overrides
    env.close()
    return True


def test_random_overrides_are_refused_or_run() -> None:
    rng = np.random.default_rng(0)
    accepted = [runs_for_ever(random_overrides(rng), rng, 500) for _ in range(400)]
    assert 150 < sum(accepted) < 350


@pytest.mark.slow
def test_many_random_overrides_are_refused_or_run_a_hundred_thousand_decisions() -> (
    None
):
    rng = np.random.default_rng(1)
    accepted = [runs_for_ever(random_overrides(rng), rng, 100_000) for _ in range(2000)]
    assert 750 < sum(accepted) < 1750


@pytest.mark.parametrize(
    "overrides",
    [
        {"radio.shadowing_std_db": 30},  # died after 16,384 decisions
        {"radio.shadowing_std_db": 100},
        {"radio.path_loss_intercept_db": 0, "layout.distance_min_m": 1e-3},
        {"radio.path_loss_intercept_db": 400, "radio.path_loss_slope_db": 200},
        {"layout.cell_radius_m": 1e8, "layout.server_ring_ratio": 100},
        {"workload.layers": 593},
        {"objective.score_sensitivity": 1e-6, "objective.delay_reference_s": 1e12},
    ],
)
def test_rare_scenarios_can_be_observed(overrides: dict[str, Any]) -> None:
    assert runs_for_ever(overrides, np.random.default_rng(0), 20_000)


def test_field_limits_are_reached_and_never_left() -> None:
    config = ScenarioConfig().with_overrides(
        {"device.cores": [6, 4, 5], "server.noise_rise_db": [3, 7]}
    )
    sampler = scenario_sampler(config)
    limits = sampler.field_limits()
    rng = np.random.default_rng(0)
    scenario = sampler.from_uniforms(
        rng.choice([0, 0.5, 1.0], (200, sampler.block_size))
    )
    for name in PARAMETERS:
        value = getattr(scenario, name)
        assert (value.min(), value.max()) == limits[name], name


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (
            {"workload.width": 10**6, "workload.epochs": 10**6},
            r"to 1e\+24; got `workload_flop` = .* from `workload.tokens` = \[512",
        ),
        (
            {"radio.noise_density_dbm_per_hz": -50},
            "`noise_density_w_per_hz` must be from .* `radio.noise_figure_db` = 5.0",
        ),
        (
            {"device.frequency_max_ghz": [1e-6, 1e-6], "device.power_w": [1e-9, 1e-9]},
            "draw a power from .* W; .* `device.frequency_max_ghz` = ",
        ),
    ],
)
def test_parameters_that_do_not_fit_together(
    overrides: dict[str, Any], text: str
) -> None:
    with pytest.raises(ValueError, match=text):
        gym.make("MecLlm-v0", overrides=overrides)


@pytest.mark.parametrize("kind", ["MecLlm-v0", "MecLlmMobile-v0"])
@pytest.mark.parametrize("law", LAWS)
def test_any_law_of_path_loss_is_stepped(kind: str, law: str) -> None:
    overrides: dict[str, Any] = {
        "users": 4,
        "radio.path_loss": law,
        "server.noise_rise_db": [0.0, 12.0],
        "objective.downlink_energy_share": 1.0,
    }
    if kind == "MecLlmMobile-v0":
        overrides["mobility.slots"] = 5
    one = gym.make(kind, overrides=overrides)
    many = gym.make_vec(kind, 3, overrides=overrides)
    first, _ = one.reset(seed=7)
    batch, _ = many.reset(seed=7)
    np.testing.assert_array_equal(first, batch[0])
    rng = np.random.default_rng(0)
    for _ in range(5):
        action = rng.uniform(-1, 1, many.action_space.shape).astype(np.float32)
        first, reward, ended, *_ = one.step(action[0])
        batch, rewards, *_ = many.step(action)
        assert reward == rewards[0]
        assert np.isfinite(batch).all()
        scenario = one.unwrapped.situation.scenario  # type: ignore[attr-defined]
        np.testing.assert_allclose(scenario.noise_rise, [1, 10**1.2])
        if ended:
            break
        np.testing.assert_array_equal(first, batch[0])
