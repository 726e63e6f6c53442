"""The learning algorithms; a new one is an entry here and a file in `hyperparams/`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Algorithm:
    """A learning algorithm, its policies, and the modules that train and load it."""

    module: str
    name: str  # of the class in that module
    policies: dict[str, str]  # `--policy` → name that the class knows, or module.class
    any_size: frozenset[str] = frozenset()  # policies for any number of users, servers
    # `policies` for --action-encoding association; empty if it is not supported.
    association_policies: dict[str, str] = field(default_factory=dict)
    clones_episodes: bool = False  # whether it can be warm-started in episodes
    trainer: str = "agents.training.sb3_trainer.SB3Trainer"  # module.class
    policy_files: str = "agents.run.sb3_policy"  # module: load_policy, export_policy
    model_file: str = "model.zip"  # in a run folder, what `model.save` writes
    extra: str = "train"  # of setup.cfg, which installs it
    # `--engine` → what trains it in place of `trainer`: module.class.
    engines: dict[str, str] = field(default_factory=dict)

    def policy_name(self, policy: str, encoding: str) -> str:
        """Returns the policy argument of the class for a `--policy` and an encoding.

        Raises:
            ValueError: the algorithm cannot learn in this encoding.
        """
        if encoding != "association":
            return self.policies[policy]
        if policy not in self.association_policies:
            able = [
                name for name, other in ALGORITHMS.items() if other.association_policies
            ]
            raise ValueError(
                f"--action-encoding association needs --agent {' or '.join(able)}; "
                f"{self.name} decides on resources too. Choose another --agent, or "
                "leave the encoding out."
            )
        return self.association_policies[policy]

    def load_class(self) -> Any:
        """Imports the algorithm's class.

        Raises:
            ValueError: its library is not installed; the text names the command.
        """
        try:
            return getattr(importlib.import_module(self.module), self.name)
        except ImportError as error:
            missing = error.name or self.module
            raise ValueError(
                f"{self.name} needs {missing}, which is not installed: "
                f"pip install '.[{self.extra}]'."
            ) from error

    def load_trainer(self, engine: str | None = None) -> Any:
        """Imports the `Trainer` of the algorithm, or that of another engine.

        Raises:
            ValueError: the engine's library is not installed.
        """
        if engine is None:
            return load_object(self.trainer)
        try:
            return load_object(self.engines[engine])
        except ImportError as error:
            raise ValueError(
                f"--engine {engine} needs {error.name}, which is not installed: "
                f"pip install '.[{engine}]'."
            ) from error

    def load_policy_files(self) -> Any:
        """Imports the module that loads and exports policies of the algorithm."""
        return importlib.import_module(self.policy_files)


def load_object(path: str) -> Any:
    """Imports what `module.name` names."""
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _mlp_or_set(set_policy: str, mlp: str = "MlpPolicy") -> dict[str, Any]:
    """Returns the fields of an algorithm with a set policy, in `agents.policies`."""
    policies = {"mlp": mlp, "set": f"agents.policies.{set_policy}"}
    return {"policies": policies, "any_size": frozenset({"set"})}


_SB3: dict[str, Any] = {"module": "stable_baselines3"}
_CONTRIB: dict[str, Any] = {"module": "sb3_contrib", "extra": "contrib"}
_RLLIB = {"rllib": "agents.training.rllib_trainer.RLlibTrainer"}
_ON_POLICY = _mlp_or_set("set_policy.SetPolicy")
_CHOOSING = _ON_POLICY | {
    "clones_episodes": True,
    "association_policies": {
        "mlp": "agents.policies.association_policy.AssociationMlpPolicy",
        "set": "agents.policies.association_policy.AssociationSetPolicy",
    },
}
_TD3 = _mlp_or_set("off_policy.SetTD3Policy", "agents.policies.mlp_td3.MlpTD3Policy")

ALGORITHMS: dict[str, Algorithm] = {
    "ppo": Algorithm(name="PPO", **_SB3, **_CHOOSING, engines=_RLLIB),
    "a2c": Algorithm(name="A2C", **_SB3, **_CHOOSING),
    "trpo": Algorithm(
        name="TRPO", **_CONTRIB | {"module": "agents.policies.trpo"}, **_ON_POLICY
    ),
    "recurrent_ppo": Algorithm(
        name="RecurrentPPO", policies={"lstm": "MlpLstmPolicy"}, **_CONTRIB
    ),
    "sac": Algorithm(name="SAC", **_SB3, **_mlp_or_set("off_policy.SetSACPolicy")),
    "td3": Algorithm(name="TD3", **_SB3, **_TD3),
    "ddpg": Algorithm(name="DDPG", **_SB3, **_TD3),
    "tqc": Algorithm(name="TQC", **_CONTRIB, **_mlp_or_set("tqc.SetTQCPolicy")),
    "apg": Algorithm(
        module="agents.apg",
        name="Apg",
        policies={"set": "SetPolicy"},
        any_size=frozenset({"set"}),
        trainer="agents.training.apg_trainer.ApgTrainer",
        policy_files="agents.run.apg_policy",
        model_file="model.npz",
    ),
}
