"""The set network as a policy of Stable-Baselines3's SAC, TD3 and DDPG.

That of TQC is in `tqc`.
"""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.sac.policies import SACPolicy
from stable_baselines3.td3.policies import TD3Policy

from agents.policies.off_policy_networks import (
    ActionCritic,
    DeterministicActor,
    SlowerAdam,
    Space,
    SquashedActor,
)
from agents.policies.set_network import NetworkConfig
from agents.policies.set_policy import check_action_space

# Arguments of Stable-Baselines3's policies that do not apply to set networks.
_NOT_FOR_SET_NETWORKS = (
    *("net_arch", "activation_fn", "share_features_extractor"),
    *("features_extractor_class", "features_extractor_kwargs", "optimizer_class"),
)


class SetPolicyMixin(BasePolicy):
    """What the set policies of all off-policy algorithms share.

    Args:
        observation_space: flat, or of tokens.
        action_space: of the `box` encoding.
        lr_schedule: of the learning rate.
        n_users: N, which cannot be inferred from a flat observation.
        n_servers: M.
        network: of `NetworkConfig`, for the actor.
        critic_network: of `NetworkConfig`, for each critic.
        temperature: of the softmax in the straight-through gradient of the choice of a
            server.
        value_scale: initial output of a critic, about.
        actor_rate: learning rate of the actor, relative to that of the critics.
        **kwargs: of the algorithm's policy, such as `n_critics`.

    Raises:
        ValueError: the spaces are not those of N users and M servers, or an argument
            is out of range or for other networks.
    """

    actor: Any
    actor_kwargs: dict[str, Any]  # of the algorithm's policy
    critic_kwargs: dict[str, Any]

    def __init__(
        self,
        observation_space: Space,
        action_space: Space,
        lr_schedule: Any,
        *,
        n_users: int,
        n_servers: int,
        network: dict[str, int] | None = None,
        critic_network: dict[str, int] | None = None,
        temperature: float = 0.5,
        value_scale: float = 30.0,
        actor_rate: float = 0.2,
        **kwargs: Any,
    ) -> None:
        check_action_space(action_space, n_users, n_servers)
        self._own: dict[str, Any] = {
            "n_users": n_users,
            "n_servers": n_servers,
            "network": dict(network or {}),
            "critic_network": dict(critic_network or {}),
            "temperature": temperature,
            "value_scale": value_scale,
            "actor_rate": actor_rate,
        }
        for name in ("temperature", "value_scale", "actor_rate"):
            if not (value := self._own[name]) > 0:
                raise ValueError(f"`{name}` must be positive; got {value!r}.")
        for name in _NOT_FOR_SET_NETWORKS:
            if name in kwargs:
                raise ValueError(
                    f"`{name}` does not fit --policy set, whose networks are given by "
                    "`network` and `critic_network`."
                )
        self._kwargs = kwargs
        super().__init__(observation_space, action_space, lr_schedule, **kwargs)

    def _build(self, lr_schedule: Any) -> None:
        super()._build(lr_schedule)  # type: ignore[misc]
        self.actor.optimizer = SlowerAdam(
            self.actor.parameters(),
            lr=lr_schedule(1),
            share=self._own["actor_rate"],
            **self.optimizer_kwargs,
        )

    def make_actor(self, features_extractor: Any = None) -> Any:
        """Returns a new actor."""
        return DeterministicActor(**self._common("network"))

    def make_critic(self, features_extractor: Any = None) -> Any:
        """Returns new critics."""
        return ActionCritic(
            **self._common("critic_network"),
            n_critics=self.critic_kwargs["n_critics"],
            value_scale=self._own["value_scale"],
        )

    def _common(self, network: str) -> dict[str, Any]:
        """Returns the arguments that actor and critic share."""
        return {
            "observation_space": self.observation_space,
            "action_space": self.action_space,
            "size": (self._own["n_users"], self._own["n_servers"]),
            "config": NetworkConfig(**self._own[network]),
            "temperature": self._own["temperature"],
        }

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {
            "observation_space": self.observation_space,
            "action_space": self.action_space,
            "lr_schedule": self._dummy_schedule,
            **self._own,
            **self._kwargs,
        }


class SquashedSetPolicyMixin(SetPolicyMixin):
    """The same for stochastic policies.

    Args:
        *args: of `SetPolicyMixin`.
        log_std_init: logarithm of the deviations before training, before the tanh.
        **kwargs: of `SetPolicyMixin`.
    """

    def __init__(self, *args: Any, log_std_init: float = -1.0, **kwargs: Any) -> None:
        super().__init__(*args, log_std_init=log_std_init, **kwargs)

    def make_actor(self, features_extractor: Any = None) -> Any:
        """Returns a new actor."""
        log_std_init = self.actor_kwargs["log_std_init"]
        return SquashedActor(**self._common("network"), log_std_init=log_std_init)


class SetTD3Policy(SetPolicyMixin, TD3Policy):
    """Actor and critics on sets of users and servers, for TD3 and DDPG."""


class SetSACPolicy(SquashedSetPolicyMixin, SACPolicy):
    """Actor and critics on sets of users and servers, for SAC."""
