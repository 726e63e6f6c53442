"""Tuned hyperparameters: `hyperparams/<algorithm>.yml`, in the format of rl-zoo3.

Precedence: command line, then the file, then the algorithm's own default.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from agents.run.plain import check_integer, check_plain, read_dict
from mec_llm_env.names import did_you_mean

if TYPE_CHECKING:
    import gymnasium as gym

FOLDER = Path(__file__).parents[2] / "hyperparams"

#: Keys of the file that are not arguments of the algorithm.
RUN_KEYS = ("n_timesteps", "n_envs", "policy", "warm_start")

# Arguments of the algorithms that the trainer sets itself, or cannot resume.
_RESERVED = {
    "task",
    *("self", "env", "policy", "seed", "verbose", "tensorboard_log", "device"),
    *("_init_setup_model", "monitor_wrapper", "use_sde", "sde_sample_freq"),
    *("use_sde_at_warmup", "replay_buffer_class"),
}


# Integer settings and their least values.
_INTEGERS = {
    **dict.fromkeys(("n_steps", "batch_size", "n_epochs", "buffer_size"), 1),
    **dict.fromkeys(("policy_delay", "target_update_interval", "cg_max_steps"), 1),
    **dict.fromkeys(("n_critic_updates", "sub_sampling_factor", "warmup"), 1),
    **dict.fromkeys(("line_search_max_iter", "stats_window_size"), 1),
    **dict.fromkeys(("fewest_users", "most_merged"), 1),
    **dict.fromkeys(("learning_starts", "candidates"), 0),
    **{"top_quantiles_to_drop_per_net": 0, "gradient_steps": -1},
}

# Real settings and their ranges.
_NUMBERS = {
    **dict.fromkeys(("gamma", "gae_lambda", "tau", "averaging"), (0, 1)),
    **dict.fromkeys(("subsets", "merges"), (0, 1)),
    **dict.fromkeys(("learning_rate", "clip_range", "max_grad_norm"), (0, np.inf)),
    **dict.fromkeys(("target_kl", "rms_prop_eps", "cg_damping"), (0, np.inf)),
    **dict.fromkeys(("target_policy_noise", "target_noise_clip"), (0, np.inf)),
    **dict.fromkeys(("vf_coef", "margin", "noise_std"), (0, np.inf)),
    "line_search_shrinking_factor": (0, 1),
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

    Settings that are specific to a policy or an action encoding are under
    "<env_id>:<policy>", "<env_id>:<encoding>" or "<env_id>:<encoding>:<policy>"; the
    most specific entry replaces the others. Changes for a warm start are under the same
    key and ":warm".

    Raises:
        ValueError: the file has no entry for the environment, or cannot be read.
        FileNotFoundError: there is no file for the algorithm.
    """
    path = FOLDER / f"{algorithm}.yml"
    entries = _entries(path)
    if env_id not in entries:
        raise ValueError(
            f"hyperparams/{path.name} has no entry {env_id!r}, only "
            f"{', '.join(map(repr, entries))}. Choose one of them or add an entry."
        )
    names = (f"{encoding}:{policy}", encoding, policy)
    keys = [f"{env_id}:{name}" for name in names] + [env_id]
    key = next(key for key in keys if key in entries)
    settings = entries[key] | (entries.get(f"{key}:warm", {}) if warm else {})
    for name in ("n_timesteps", "n_envs"):
        value: Any = settings.get(
            name
        )  # rl-zoo3 writes 1e6, which YAML reads as a string
        try:
            settings[name] = int(float(value))
        except (TypeError, ValueError, OverflowError):
            raise ValueError(
                f"hyperparams/{path.name}: `{name}` of {key!r} must be a whole number; "
                f"got {value!r}."
            ) from None
    if not isinstance(settings.get("policy"), str):
        raise ValueError(
            f"hyperparams/{path.name}: `policy` of {key!r} must be a name; got "
            f"{settings.get('policy')!r}."
        )
    return settings


def _entries(path: Path) -> dict[str, dict[str, Any]]:
    """Returns what a file says, by environment.

    Raises:
        ValueError: it is no YAML of entries with settings that are plain data.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"hyperparams/{path.name} cannot be read: {error}") from None
    if not isinstance(entries, dict) or not all(
        isinstance(settings, dict) for settings in entries.values()
    ):
        raise ValueError(
            f"hyperparams/{path.name} must have an entry of settings for each "
            "environment."
        )
    check_plain(f"hyperparams/{path.name}", entries)
    return entries


def check_arguments(algorithm_class: type, arguments: Mapping[str, Any]) -> None:
    """Checks that the algorithm's class takes these arguments.

    Raises:
        ValueError: it does not take one; the nearest that it takes is suggested.
    """
    known = set(inspect.signature(algorithm_class).parameters) - _RESERVED
    if hasattr(algorithm_class, "get_vec_normalize_env"):
        known.add("normalize")  # of the environment, for Stable-Baselines3's alone
    if "rollout_buffer_class" in known:
        known.add("user_credit")  # `agents.training.user_credit`
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
    """Converts settings in rl-zoo3's notation to arguments of the algorithm's class.

    `lin_3e-4` is a value that decays linearly to 0, `policy_kwargs` and `normalize` may
    be strings, "dict(activation_fn=nn.ReLU)", `train_freq` a list, and `noise_type`
    ("normal" or "ornstein-uhlenbeck") and `noise_std` describe the exploration noise of
    algorithms with a deterministic policy.

    Args:
        settings: of the file.
        action_space: of the actions that noise is added to; None: without noise.

    Raises:
        ValueError: a notation cannot be read.
    """
    from stable_baselines3.common.utils import LinearSchedule

    check_plain("hyperparameters", dict(settings))
    arguments: dict[str, Any] = {}
    for name, value in settings.items():
        _check_value(name, value)
        if isinstance(value, str) and value.startswith("lin_"):
            start = _number(name, value.removeprefix("lin_"))
            arguments[name] = LinearSchedule(start, 0.0, 1.0)
        elif name in ("policy_kwargs", "normalize") and isinstance(value, str):
            arguments[name] = read_dict(name, value)
        elif name == "train_freq" and isinstance(value, list | tuple):
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
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(
            f"`noise_type` must be one of {', '.join(kinds)}; got {kind!r}."
        )
    if not isinstance(deviation, int | float) or not deviation >= 0:
        raise ValueError(f"`noise_std` must be a number ≥ 0; got {deviation!r}.")
    if space is None or space.shape is None:
        return None
    mean = np.zeros(space.shape)
    return kinds[kind](mean, np.full_like(mean, deviation))


def _check_value(name: str, value: Any) -> None:
    """Refuses numbers out of range; algorithms check few of them themselves."""
    is_text = isinstance(value, str)
    if value is None or (is_text and name in ("learning_rate", "clip_range")):
        return
    if name in _INTEGERS:
        check_integer(name, value, _INTEGERS[name])
    elif name in _NUMBERS:
        least, most = _NUMBERS[name]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            raise ValueError(
                f"`{name}` must be a number ≥ {least}"
                f"{'' if most == np.inf else f' and ≤ {most}'}; got {value!r}."
            )
    elif name == "train_freq":
        count = value[0] if isinstance(value, list | tuple) and value else value
        units = value[1:] if isinstance(value, list | tuple) else ["step"]
        is_count = isinstance(count, int) and not isinstance(count, bool) and count > 0
        if not is_count or list(units) not in (["step"], ["episode"]):
            raise ValueError(
                "`train_freq` must be a whole number of at least 1, or such a number "
                f"and 'step' or 'episode'; got {value!r}."
            )


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
        if not 0 <= number < np.inf:
            raise ValueError
        return number
    except ValueError:
        raise ValueError(
            f"`{name}` must be a number or lin_NUMBER; got {text!r}."
        ) from None


def describe_hyperparameters() -> str:
    """Returns for `--help` what each file is tuned for, a line an algorithm."""
    lines = []
    for path in sorted(FOLDER.glob("*.yml")):
        text = path.read_text(encoding="utf-8", errors="replace")
        entries = re.findall(r"^[^\s#:]+:?(.*):\s*$", text, re.MULTILINE)
        # Each once: an environment of episodes has settings of the same names.
        others = dict.fromkeys(entry.replace(":", " ") for entry in entries if entry)
        steps = re.search(r"n_timesteps: *(\S+)", text)
        line = f"  {path.stem:15}{steps[1] if steps else '?':>9} decisions"
        lines.append(line + (f"; also for {', '.join(others)}" if others else ""))
    return "\n".join(lines)
