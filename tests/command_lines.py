"""Random command lines of the scripts: valid options, and what people and bugs type."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.algorithms import ALGORITHMS
from mec_llm_env import MOBILE_PRESETS, PRESETS, ScenarioConfig, sample_scenario

JUNK = (
    *("", " ", "-", "--", "=", "-1", "0", "1.5", "nan", "inf", "-inf", "1e400", "1e18"),
    *("9" * 5000, "None", "null", "true", "[]", "{}", "[1, 2]", '{"a": 1}', "x" * 3000),
    *("a\nb", "\x00", "é", "𝔘", "\udcff", "..", "/dev/null", "/dev/null/x", "%s%n"),
    *("[" * 100_000, "a=b=c", "=1", "users=", "🙂=1", "ppo\t", "PPO", "--agent", "-x"),
    *("1_0", "0x10", "1e3", "+5", "١٢", "1 2", "~", "*", "$HOME", "';--", "\\"),
)

OVERRIDES = (
    *("users=4", "users=7", "users=0", "users=10001", "servers=1", "servers=0"),
    *("server.max_users=3", "server.max_users=[2, 9]", "server.max_users=1"),
    *("radio.bandwidth_mhz=20", "radio.bandwidth_mhz=-1", "radio.bandwidth_mhz=1e99"),
    *("radio.fading=none", "radio.fading=rician", "radio.shadowing_std_db=30"),
    *("radio.transmit_power_max_w=[0.1, 2]", "radio.transmit_power_max_w=[2, 0.1]"),
    *("workload.tokens=[8, 16]", "workload.tokens=8", "workload.layers=2"),
    *("objective.delay_weight=0", "objective.delay_weight=Infinity", "objective=1"),
    *("objective.score_sensitivity=1e-320", "layout.cell_radius_m=1e8", "radio={}"),
    *("objective.energy_weight=0", "radio.bandwith_mhz=20", "server=null", ".=1"),
)

# As large as can be: for a dry run, as bounds would take for ever.
_LARGE = ("users=10000", "servers=1000", "workload.tokens=[1, 100000000]")

HYPERPARAMETERS = (
    *("n_steps=4", "n_steps=0", "n_steps=1e3", "n_steps=10000000000", "batch_size=32"),
    *(
        "batch_size=1",
        "batch_size=7",
        "n_epochs=1",
        "n_epoch=1",
        "gamma=0.5",
        "gamma=2",
    ),
    *("learning_rate=lin_1e-3", "learning_rate=lin_x", "learning_rate=-1", "gamma=NaN"),
    *("learning_rate=constant", "clip_range=lin_0.2", "buffer_size=1000", "tau=0.5"),
    *("buffer_size=1000000000000", 'train_freq=[1, "step"]', "train_freq=[1]"),
    *("train_freq=1", "gradient_steps=-1", "learning_starts=10", "noise_std=0.1"),
    *("noise_type=normal", "noise_type=pink", "ent_coef=auto", "ent_coef=auto_x"),
    *("ent_coef=0.1", "policy_kwargs={}", 'policy_kwargs={"net_arch": [8]}'),
    *('policy_kwargs={"net_arch": [1000000, 1000000]}', 'policy_kwargs={"width": 8}'),
    *('policy_kwargs={"net_arch": {"pi": [8], "vf": [8]}}', 'policy_kwargs="dict("'),
    *('policy_kwargs={"width": 10000000}', 'policy_kwargs={"net_arch": [0]}'),
    *('policy_kwargs={"net_arch": [-1]}', "policy_kwargs=dict(net_arch=[4])"),
    *('policy_kwargs={"net_arch": "big"}', "policy_kwargs=dict(log_std_init=0.1)"),
    *("policy_kwargs=dict(activation_fn=nn.ReLU)", "policy_kwargs=9**9**9**9"),
    *("policy_kwargs=dict(activation_fn=nn.Module)", "normalize=true", "normalize={}"),
    *("normalize=dict(norm_obs=True)", "verbose=1", "device=cuda", "seed=3", "env=1"),
    *("target_kl=0.1", "vf_coef=0.1", "max_grad_norm=0", "policy_delay=2", "warmup=3"),
    *("n_critic_updates=2", "candidates=4", "candidates=-1", "use_sde=true"),
)

Generate = Callable[[np.random.Generator], str]


def _one_of(*words: str) -> Generate:
    return lambda rng: words[rng.integers(len(words))]


_NUMBER = _one_of("1", "2", "3", "8", "16", "64", "5e2", "1_000", "131072")

_TASK: dict[str, Generate] = {
    "--preset": _one_of("tiny-4x2", "tiny-4x2", "paper-10x2", *PRESETS, "papr"),
    "--override": _one_of(*OVERRIDES),
    "--config": _one_of(
        *("own.toml", "own.json", "moving.toml", "wrong.toml", "case.json", "own"),
        *("none.toml", "my.yaml", "/dev/null", ".toml", "none.json"),
    ),
}


def write_own_files(folder: Path) -> None:
    """Writes what people have in their folder: configurations, cases, mistakes."""
    small = {"users": 2, "servers": 1}
    config = ScenarioConfig(**small)
    scenario = sample_scenario(config, np.random.default_rng(0), (2,))
    scenario.save(folder / "batch.npz")
    (folder / "case.json").write_text(scenario[0].to_json())
    (folder / "own.json").write_text(json.dumps(small))
    (folder / "own.toml").write_text("[users]\ncount = 2\n[servers]\ncount = 1\n")
    (folder / "moving.toml").write_text(
        "[users]\ncount = 2\n[servers]\ncount = 1\n[mobility]\nslots = 2\n"
    )
    (folder / "wrong.toml").write_text("[users]\ncount = -2\n[radoi]\nfading = 1\n")


TRAIN: dict[str, Generate] = {
    **_TASK,
    "--override": _one_of(*OVERRIDES, *_LARGE),
    "--agent": _one_of(*ALGORITHMS),
    "--env": _one_of(
        *("MecLlm-v0", "MecLlm-v0:warm", "CartPole-v1", "os:MecLlm-v0"),
        "MecLlmMobile-v0",
    ),
    "--reward": _one_of("scr_difference", "slot", "surplus", "scr"),
    "--surplus-ratio": _one_of("170", "-1", "inf"),
    "--surplus-cost": _one_of("0.4", "0", "nan"),
    "--action-encoding": _one_of(
        "box", "multi_discrete", "dict", "dict_flat", "association", "bits"
    ),
    "--timesteps": _NUMBER,
    "--n-envs": _one_of("1", "4", "64", "64", "64", "128", "10000", "10001"),
    "--policy": _one_of("mlp", "set", "cnn"),
    "--seed": _one_of("0", "1", "999", "1000"),
    "--eval-freq": _NUMBER,
    "--checkpoint-freq": _NUMBER,
    "--hyperparameter": _one_of(*HYPERPARAMETERS),
    "--warm-start": _one_of("dual", "dashf", "gucro", "gucaa"),
    "--warm-start-scenarios": _NUMBER,
    "--output": _one_of("runs", "elsewhere", "/dev/null"),
    "--no-progress": lambda rng: "",
    "--engine": _one_of("rllib", "sb3", "rllib"),
    "--num-env-runners": _one_of("1", "2", "0"),
}

#: What needs a run, or does not go with the others.
RARE: dict[str, Generate] = {
    "--resume": _one_of("runs/ppo/latest", "nowhere", "."),
    "--trust": lambda rng: "",
    "--progress": lambda rng: "",
    "--stop-with-parent": _one_of("0", "-1", "1e9", "99999999999999999999"),
    "--ray-address": _one_of("nowhere", "localhost:99999", "a:b"),
}

EVALUATE: dict[str, Generate] = {
    **_TASK,
    "--preset": _one_of("tiny-4x2", "paper-10x2", "medium-50x10", "papr"),
    "--agents": _one_of(
        *("gucaa", "rucaa", "random", "local", "edge", "ppo:pretrained", "ppo"),
        *("apg:pretrained", "runs/ppo/latest", "."),
    ),
    "--instances": _one_of("1", "2", "3"),
    "--seed": _one_of("0", "7", "1e6"),
    "--no-bound": lambda rng: "",
    "--output": _one_of("results", "elsewhere"),
    "--jobs": _one_of("1"),  # others start processes
    "--format": _one_of("pdf", "svg", "png", "eps"),
    "--width": _one_of("3.5in", "88mm", "1in", "3.5", "252pt"),
    "--env": _one_of("MecLlm-v0", "MecLlmMobile-v0", "MecLlm", "CartPole-v1"),
    "--backend": _one_of("processes", "ray", "threads"),
    "--ray-address": _one_of("localhost:1", "nowhere"),
    "--scenario": _one_of(
        *("case.json", "batch.npz", "own.toml", "own.json", "moving.toml", "."),
        *("nowhere.json", "/dev/null", "a.toml", "runs", "x.npz", "wrong.toml"),
    ),
}

#: What an episode can be changed to, and a small one.
_EPISODES = (
    *("mobility.slots=3", "mobility.slots=0", "mobility.slot_s=1", "mobility=1"),
    *("mobility.job_end_probability=1", "mobility.still_share=1", "servers=3"),
    *("migration.backhaul_mbit_per_s=1e5", "migration.energy_nj_per_bit=-1"),
    *("mobility.vehicular_speed_m_per_s=[5, 1e9]", "migration.optimizer_bit=0"),
)
_SMALL_EPISODES = ("--override", "users=3", "--override", "mobility.slots=2")

TRAIN_EPISODES: dict[str, Generate] = {
    **TRAIN,
    "--env": _one_of("MecLlmMobile-v0"),
    "--preset": _one_of(*MOBILE_PRESETS, "mobile", "tiny-4x2"),
    "--override": _one_of(*_EPISODES, "server.max_users=2", "radio.fading=rician"),
}

EVALUATE_EPISODES: dict[str, Generate] = {
    **EVALUATE,
    "--env": _one_of("MecLlmMobile-v0"),
    "--preset": _one_of(*MOBILE_PRESETS, "mobile", "tiny-4x2"),
    "--override": _one_of(*_EPISODES, "server.max_users=2", "radio.fading=rician"),
    "--agents": _one_of(
        *("hysteresis", "lookahead", "clairvoyant", "random", "gucro", "hystersis"),
        *("dual", "ppo:pretrained", "."),
    ),
}


#: Of figures; rules decide fast.
FIGURE: dict[str, Generate] = {
    "--values": _one_of("1", "3", "2.5", "0", "1e-3", "40", "1e9"),
    "--preset": _one_of("tiny-4x2", "tiny-4x2", "mobile-10x2", "papr"),
    "--config": _one_of("nowhere.json", ".", "own.json"),
    "--override": _one_of(*OVERRIDES[:16]),
    "--agents": _one_of("gucaa", "rucaa", "random", "dual", "lookahead", "nobody"),
    "--reference": _one_of("gucaa", "rucaa", "nobody"),
    "--instances": _one_of("2", "3", "1"),
    "--format": _one_of("pdf", "svg", "png", "eps"),
    "--width": _one_of("3.5in", "18cm", "252pt", "1in"),
    "--table": _one_of("csv", "latex", "md"),
    "--output": _one_of("figures", "/dev/null"),
    "--overwrite": lambda rng: "",
    "--quick": lambda rng: "",
}


#: Of `python -m mec_llm_env`.
_FILES = (
    *("own.toml", "own.json", "moving.toml", "wrong.toml", "case.json", "batch.npz"),
    *("new.toml", "new.json", "none/new.toml", "none.toml", ".", ".toml", "/dev/null"),
)


def own_words(rng: np.random.Generator) -> list[str]:
    """Returns a command line of `python -m mec_llm_env`."""
    words = [
        str(rng.choice(["init", "check"])) if rng.random() < 0.97 else _junk(rng),
        str(rng.choice(_FILES)) if rng.random() < 0.9 else _junk(rng),
    ]
    return mutated(rng, words, ("--help", "init", "check", "--config"))


def figure_words(rng: np.random.Generator) -> list[str]:
    """Returns a command line of a figure of experiments."""
    words = _words(rng, FIGURE, ["--values", "--agents"], at_most=3)
    small = {"--preset": "tiny-4x2", "--instances": "2"}
    small = {} if "--config" in words else small
    words += [w for k, v in small.items() if k not in words for w in (k, v)]
    return mutated(rng, words, tuple(FIGURE))


def train_words(rng: np.random.Generator) -> list[str]:
    """Returns a command line of `train.py` that has `--dry-run` in it."""
    if rng.random() < 0.25:
        words = _words(rng, TRAIN_EPISODES, ["--env", "--agent"], at_most=4)
        words += ["--n-envs", "64", *_SMALL_EPISODES]
        return [*mutated(rng, words, tuple(TRAIN)), "--dry-run"]
    options = TRAIN | RARE if rng.random() < 0.2 else TRAIN
    words = _words(rng, options, ["--agent"], at_most=4)
    # Small, unless it is asked for something else.
    small = {"--preset": "tiny-4x2", "--n-envs": "64"}
    words += [w for k, v in small.items() if k not in words for w in (k, v)]
    return [*mutated(rng, words, tuple(TRAIN)), "--dry-run"]


def evaluate_words(rng: np.random.Generator) -> list[str]:
    """Returns a command line of `evaluate.py`."""
    if rng.random() < 0.3:
        words = _words(rng, EVALUATE_EPISODES, ["--env", "--agents"], at_most=3)
        words += [*_SMALL_EPISODES, "--instances", "2"]
        return mutated(rng, words, tuple(EVALUATE))
    words = _words(rng, EVALUATE, ["--agents"], at_most=3)
    small = {"--preset": "tiny-4x2", "--instances": "2"}
    words += [w for k, v in small.items() if k not in words for w in (k, v)]
    return mutated(rng, words, tuple(EVALUATE))


def _words(
    rng: np.random.Generator,
    options: Mapping[str, Generate],
    always: Sequence[str],
    at_most: int,
) -> list[str]:
    names = list(options)
    drawn = [names[i] for i in rng.integers(len(names), size=rng.integers(at_most + 1))]
    chosen = [name for name in always if rng.random() < 0.97] + drawn
    words: list[str] = []
    for name in chosen:
        value = options[name](rng)
        if name in ("--override", "--hyperparameter") and rng.random() < 0.2:
            value = value.partition("=")[0] + "=" + _junk(rng)
        elif rng.random() < 0.06:
            value = _junk(rng)
        joined = bool(value) and rng.random() < 0.1
        words += [f"{name}={value}"] if joined else [name, value] if value else [name]
    return words


def mutated(
    rng: np.random.Generator, words: list[str], names: tuple[str, ...]
) -> list[str]:
    """Returns the words, every third time with something done to one of them."""
    if rng.random() > 0.35 or not words:
        return words
    i = int(rng.integers(len(words)))
    word = words[i]
    at = int(rng.integers(len(word) + 1))
    other = chr(rng.integers(32, 0x250))  # Latin letters and signs
    put = [
        [],  # forgotten
        [word, word],
        [_junk(rng), word],
        [word[:at]],
        [names[rng.integers(len(names))], word],
        [word[:at] + other + word[at + 1 :]],
    ][rng.integers(6)]
    return [*words[:i], *put, *words[i + 1 :]]


def _junk(rng: np.random.Generator) -> str:
    return JUNK[rng.integers(len(JUNK))]


def shown(words: Sequence[Any]) -> str:
    """Returns words for a message, long ones cut."""
    return json.dumps([w if len(w) < 100 else f"{w[:40]}…({len(w)})" for w in words])
