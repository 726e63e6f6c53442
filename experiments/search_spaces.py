"""The search spaces of `experiments.tune`; other settings stay as in `hyperparams/`.

A name is that of a setting in `hyperparams/<agent>.yml`; `policy_kwargs.x` is the entry
x of `policy_kwargs`. The discount is not searched, as decisions in `MecLlm-v0` do not
depend on earlier ones; nor are network sizes, which determine the training time.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import optuna

from agents.run.hyperparameters import as_arguments

_DIGITS = 3  # significant digits of suggestions, for readable files


@dataclass(frozen=True, kw_only=True, slots=True)
class Range:
    """Numbers from `low` to `high`."""

    low: float
    high: float
    log: bool = False  # log-uniform
    falling: bool = False  # decays linearly to 0 during training


Space = dict[str, "Range | tuple[Any, ...]"]  # a tuple holds the values to choose from

_RATE = Range(low=1e-4, high=3e-3, log=True, falling=True)
_DEVIATION = Range(low=-2.0, high=0.0)  # ln of the initial deviation of actions
# Weight of the critic's loss. SCRs are of the order of 100; at the usual 0.5 the
# critic's gradient dominates the norm that is clipped at `max_grad_norm`.
_CRITIC = Range(low=1e-4, high=0.5, log=True)

_CLIPPED: Space = {
    "n_steps": (4, 8, 16),
    "batch_size": (256, 512, 1024),
    "n_epochs": (2, 4, 8),
    "learning_rate": _RATE,
    "clip_range": Range(low=0.1, high=0.4),
    "ent_coef": Range(low=-0.02, high=0.0),
    "vf_coef": _CRITIC,
    "policy_kwargs.log_std_init": _DEVIATION,
}
_REPLAY: Space = {
    "learning_rate": _RATE,
    "batch_size": (128, 256, 512),
    "gradient_steps": (1, 2, 4, 8),
    "learning_starts": (1_000, 5_000, 10_000),
}
_NOISE: Space = {"noise_std": Range(low=0.03, high=0.5, log=True)}

SPACES: dict[str, Space] = {
    "ppo": _CLIPPED,
    "recurrent_ppo": _CLIPPED,
    "a2c": {
        "n_steps": (1, 2, 4),
        # Its steps are not clipped and may take the mean action out of the box.
        "learning_rate": Range(low=1e-5, high=1e-3, log=True, falling=True),
        "ent_coef": Range(low=-0.02, high=0.0),
        "vf_coef": _CRITIC,
        "use_rms_prop": (True, False),
        "policy_kwargs.log_std_init": _DEVIATION,
    },
    "trpo": {
        "n_steps": (2, 4, 8, 16),
        "target_kl": Range(low=1e-3, high=0.3, log=True),
        "cg_damping": Range(low=1e-3, high=0.3, log=True),
        "cg_max_steps": (3, 5, 10),
        "n_critic_updates": (1, 2, 4),
        "learning_rate": _RATE,
        "policy_kwargs.log_std_init": _DEVIATION,
    },
    "sac": _REPLAY,
    "tqc": _REPLAY,
    "td3": _REPLAY | _NOISE,
    "ddpg": _REPLAY | _NOISE,
    "apg": {
        "n_envs": (128, 256, 512),
        "learning_rate": Range(low=5e-4, high=5e-3, log=True, falling=True),
        "warmup": (20, 50, 100),
        "ent_coef": Range(low=1e-3, high=0.1, log=True),
        "averaging": (0.98, 0.99, 0.995),
    },
}


def suggest(trial: optuna.trial.BaseTrial, space: Space) -> dict[str, Any]:
    """Returns a value for every name of a space, as `hyperparams/` would have it."""
    return {name: _suggest_one(trial, name, values) for name, values in space.items()}


def _suggest_one(
    trial: optuna.trial.BaseTrial, name: str, values: Range | tuple[Any, ...]
) -> Any:
    if isinstance(values, tuple):
        return trial.suggest_categorical(name, values)
    number = trial.suggest_float(name, values.low, values.high, log=values.log)
    text = f"{number:.{_DIGITS}g}"
    return f"lin_{text}" if values.falling else float(text)


def as_parameters(settings: dict[str, Any], space: Space) -> dict[str, Any]:
    """Inverse of `suggest`: the parameters of the first trial."""
    kwargs = as_arguments({"policy_kwargs": settings.get("policy_kwargs") or {}})
    flat = settings | {
        f"policy_kwargs.{name}": value
        for name, value in kwargs["policy_kwargs"].items()
    }
    parameters = {}
    for name, values in space.items():
        value = flat.get(name)
        if isinstance(values, tuple):
            if value in values:
                parameters[name] = value
        elif value is not None:
            number = float(str(value).removeprefix("lin_"))
            if values.low <= number <= values.high:
                parameters[name] = number
    return parameters


def with_changes(settings: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Returns a copy of settings with suggested changes."""
    changed = copy.deepcopy(settings)
    network = as_arguments({"policy_kwargs": changed.get("policy_kwargs", {})})
    kwargs = dict(network["policy_kwargs"])
    for name, value in changes.items():
        outer, _, inner = name.partition(".")
        if inner:
            kwargs[inner] = value
        else:
            changed[outer] = value
    return changed | ({"policy_kwargs": as_text(kwargs)} if kwargs else {})


def as_text(value: Any) -> str:
    """Writes `policy_kwargs` as rl-zoo3 reads it: "dict(activation_fn=nn.ReLU)"."""
    if isinstance(value, dict):
        return f"dict({', '.join(f'{k}={as_text(v)}' for k, v in value.items())})"
    return f"nn.{value.__name__}" if isinstance(value, type) else repr(value)
