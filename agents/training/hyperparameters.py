"""Tuned hyperparameters: `hyperparams/<algorithm>.yml`, in the format of rl-zoo3.

Precedence: command line, then the file, then the algorithm's own default.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from mec_llm_env.names import did_you_mean

if TYPE_CHECKING:
    import gymnasium as gym

FOLDER = Path(__file__).parents[2] / "hyperparams"

#: Keys of the file that are not arguments of the algorithm.
RUN_KEYS = ("n_timesteps", "n_envs", "policy", "warm_start")

# Arguments of the algorithms that the training loop sets itself, or cannot resume.
_RESERVED = {
    "task",
    *("self", "env", "policy", "seed", "verbose", "tensorboard_log", "device"),
    *("_init_setup_model", "monitor_wrapper", "use_sde", "sde_sample_freq"),
    *("use_sde_at_warmup", "replay_buffer_class"),
}


def load_hyperparameters(
    algorithm: str,
    env_id: str,
    policy: str | None = None,
    encoding: str | None = None,
    *,
    warm: bool = False,
) -> dict[str, Any]:
    """Reads the tuned settings of an algorithm for an environment.

    Settings for a policy or an action encoding of their own stand under
    "<env_id>:<policy>", "<env_id>:<encoding>" or "<env_id>:<encoding>:<policy>"; the
    most specific entry there is counts, as a whole. What is different with a warm
    start stands under the same key and ":warm".

    Raises:
        ValueError: the file has no entry for the environment.
        FileNotFoundError: there is no file for the algorithm.
    """
    path = FOLDER / f"{algorithm}.yml"
    entries = yaml.safe_load(path.read_text())
    if env_id not in entries:
        raise ValueError(
            f"hyperparams/{path.name} has no entry {env_id!r}, only "
            f"{', '.join(map(repr, entries))}. Choose one of them or add an entry."
        )
    names = (f"{encoding}:{policy}", encoding, policy)
    keys = [f"{env_id}:{name}" for name in names] + [env_id]
    key = next(key for key in keys if key in entries)
    settings = entries[key] | (entries.get(f"{key}:warm", {}) if warm else {})
    settings["n_timesteps"] = int(settings["n_timesteps"])
    return settings


def check_arguments(algorithm_class: type, arguments: Mapping[str, Any]) -> None:
    """Checks that the algorithm's class takes these arguments.

    Raises:
        ValueError: it does not take one; the nearest that it takes is suggested.
    """
    known = set(inspect.signature(algorithm_class).parameters) - _RESERVED
    if hasattr(algorithm_class, "get_vec_normalize_env"):
        known.add("normalize")  # of the environment, for Stable-Baselines3's alone
    for name in arguments:
        if name not in known:
            hint = did_you_mean(name, known)
            raise ValueError(
                f"{algorithm_class.__name__} takes no hyperparameter {name!r}.{hint} "
                f"Choose from {', '.join(sorted(known))}."
            )


def as_arguments(
    settings: Mapping[str, Any], action_space: gym.Space[Any] | None = None
) -> dict[str, Any]:
    """Turns settings as the file has them into arguments of the algorithm's class.

    rl-zoo3's notations: `lin_3e-4` is a value that falls linearly to 0, `policy_kwargs`
    and `normalize` may be strings, "dict(activation_fn=nn.ReLU)", `train_freq` a list,
    and `noise_type` ("normal" or "ornstein-uhlenbeck") and `noise_std` are the noise
    that an algorithm with a deterministic policy adds to its actions.

    Args:
        settings: of the file.
        action_space: of the actions that noise is added to; None: without noise.

    Raises:
        ValueError: a notation cannot be read.
    """
    from stable_baselines3.common.utils import LinearSchedule

    arguments: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, str) and value.startswith("lin_"):
            start = _number(name, value.removeprefix("lin_"))
            arguments[name] = LinearSchedule(start, 0.0, 1.0)
        elif name in ("policy_kwargs", "normalize") and isinstance(value, str):
            arguments[name] = _evaluate_dict(name, value)
        elif name == "train_freq" and isinstance(value, list):
            arguments[name] = tuple(value)
        elif name == "action_noise":
            raise ValueError("`action_noise` is given by `noise_type` and `noise_std`.")
        elif name in ("noise_type", "noise_std"):
            arguments["action_noise"] = _action_noise(settings, action_space)
        else:
            arguments[name] = value
    return arguments


def _action_noise(settings: Mapping[str, Any], space: gym.Space[Any] | None) -> Any:
    """Returns the noise of `noise_type` and `noise_std`."""
    from stable_baselines3.common import noise

    kinds = {
        "normal": noise.NormalActionNoise,
        "ornstein-uhlenbeck": noise.OrnsteinUhlenbeckActionNoise,
    }
    kind, deviation = settings.get("noise_type"), settings.get("noise_std")
    if kind not in kinds:
        raise ValueError(
            f"`noise_type` must be one of {', '.join(kinds)}; got {kind!r}."
        )
    if not isinstance(deviation, (int, float)) or not deviation >= 0:
        raise ValueError(f"`noise_std` must be a number ≥ 0; got {deviation!r}.")
    if space is None or space.shape is None:
        return None
    mean = np.zeros(space.shape)
    return kinds[kind](mean, np.full_like(mean, deviation))


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(
            f"`{name}` must be a number or lin_NUMBER; got {text!r}."
        ) from None


def _evaluate_dict(name: str, text: str) -> dict[str, Any]:
    """Evaluates "dict(…)" as rl-zoo3 does, with nothing but `dict` and `nn` at hand."""
    from torch import nn

    try:
        value = eval(text, {"__builtins__": {}, "dict": dict, "nn": nn})
    except Exception as error:  # any exception of the text's own
        raise ValueError(f"`{name}` cannot be read: {text!r}: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"`{name}` must be a dict(…); got {text!r}.")
    return value


def describe_hyperparameters() -> str:
    """Returns the contents of all files, for `--help`."""
    parts = [
        f"{path.stem}:\n"
        + "\n".join(
            f"  {line}"
            for line in path.read_text().splitlines()
            if not line.startswith("#")
        )
        for path in sorted(FOLDER.glob("*.yml"))
    ]
    return "\n".join(parts)
