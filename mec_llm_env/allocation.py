"""`Allocation`: a decision on association, split and resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from mec_llm_env._array import Array, indicator, namespace
from mec_llm_env.names import by_name
from mec_llm_env.ranges import integer_argument
from mec_llm_env.record import ArrayRecord, as_floats


@by_name
@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Allocation(ArrayRecord):
    """Who is served where, how the work is split, how radio and compute are shared.

    Shapes: `...` batch, N users, M servers. Capacity may be left unused.

    Raises:
        ValueError: a field has a wrong shape or is not numeric. Feasibility is
            checked against a scenario, by `evaluate` and `violations`.
    """

    association: Array  # [..., N, M] 0 or 1, one server a user: x_nm
    local_fraction: Array  # [..., N] share of the layers trained by the user: φ_n
    transmit_power_w: Array  # [..., N] W: p_n
    bandwidth_hz: Array  # [..., N] Hz, granted to the user: b_n
    user_frequency_hz: Array  # [..., N] Hz, of the user's GPU: f_n
    server_frequency_hz: Array  # [..., N] Hz, the user's share of its server's: F_n

    def __post_init__(self) -> None:
        association = as_floats(self.association, "association")
        if association.ndim < 2:
            raise ValueError(
                "`association` must have shape [..., N, M]; got "
                f"{tuple(association.shape)}. For an array of server numbers use "
                "`Allocation.from_server`."
            )
        object.__setattr__(self, "association", association)
        wanted = tuple(association.shape[:-1])
        for name in self.field_names()[1:]:
            value = as_floats(getattr(self, name), name)
            if isinstance(value, np.ndarray) != isinstance(association, np.ndarray):
                raise ValueError(
                    f"`{name}` must be of the same kind as `association`, NumPy or "
                    f"PyTorch; got {type(value).__name__} and "
                    f"{type(association).__name__}."
                )
            if tuple(value.shape) != wanted:
                raise ValueError(
                    f"`{name}` must have shape [..., N] = {wanted} as `association` "
                    f"has; got {tuple(value.shape)}."
                )
            object.__setattr__(self, name, value)

    @property
    def server(self) -> Array:
        """[..., N] number of the server of each user."""
        xp = namespace(self.association)
        return xp.argmax(self.association, axis=-1)

    @classmethod
    def from_server(
        cls,
        server: Array,
        n_servers: int,
        *,
        local_fraction: Array,
        transmit_power_w: Array,
        bandwidth_hz: Array,
        user_frequency_hz: Array,
        server_frequency_hz: Array,
    ) -> Self:
        """Builds an allocation from server numbers instead of the 0/1 matrix.

        Args:
            server: [..., N] whole numbers in 0 … M − 1, the server of each user.
            n_servers: M.
            local_fraction: [..., N] share of the layers trained by the user.
            transmit_power_w: [..., N] W.
            bandwidth_hz: [..., N] Hz, granted to each user.
            user_frequency_hz: [..., N] Hz, of the user's GPU.
            server_frequency_hz: [..., N] Hz, the user's share of its server's GPU.

        Raises:
            ValueError: a server number is not an integer in 0 … `n_servers` − 1, or a
                field has another shape than the server numbers.
        """
        return cls(
            association=one_hot(server, n_servers),
            local_fraction=local_fraction,
            transmit_power_w=transmit_power_w,
            bandwidth_hz=bandwidth_hz,
            user_frequency_hz=user_frequency_hz,
            server_frequency_hz=server_frequency_hz,
        )


def one_hot(server: Array, n_servers: int) -> Array:
    """Returns the [..., N, M] association of [..., N] server numbers.

    Raises:
        ValueError: a server number is not an integer in 0 … `n_servers` − 1.
    """
    n_servers = integer_argument("n_servers", n_servers, 1, 10**6)
    numbers = as_floats(server, "server")
    xp = namespace(numbers)
    wrong = ~((numbers >= 0) & (numbers < n_servers)) | (numbers != xp.floor(numbers))
    if xp.any(wrong):
        raise ValueError(
            f"`server` must hold whole numbers from 0 to {n_servers - 1}; got "
            f"{float(numbers[wrong][0])}."
        )
    return indicator(numbers, n_servers, xp.float64)
