"""Assignment of users to servers with limited room, by the Hungarian method."""

from __future__ import annotations

from typing import Any

import numpy as np

from mec_llm_env._array import indicator
from mec_llm_env.record import as_floats, first_index


def round_assignment(
    benefit: Any,  # [..., N, M] value of serving user n at server m; NumPy
    max_users: Any,  # [..., M] users that a server may serve
) -> np.ndarray[Any, Any]:
    """Returns the association [..., N, M] of greatest total benefit.

    Where every user's best server has room that is the answer, ties going to the lower
    number. Else it is the Hungarian method on users × slots, a server having
    `max_users` slots, at most N. The benefits may be the fractional association of
    a relaxation: then it is the nearest association in the Frobenius norm.

    Raises:
        ValueError: the servers have fewer slots than there are users, or an argument
            has another shape, or is no number.
    """
    return assign(*_checked(benefit, max_users))


def assign(
    benefit: np.ndarray[Any, Any],  # [..., N, M] float64
    max_users: np.ndarray[Any, Any],  # [..., M]
) -> np.ndarray[Any, Any]:
    """`round_assignment` of arrays that are known to be valid."""
    *batch, n_users, n_servers = benefit.shape
    association = indicator(benefit.argmax(axis=-1), n_servers, np.float64)
    if np.min(max_users) >= n_users:
        return association
    crowded = (association.sum(axis=-2) > max_users).any(axis=-1)
    if not crowded.any():
        return association
    slots = np.minimum(np.broadcast_to(max_users, (*batch, n_servers)), n_users)
    if (slots.sum(axis=-1) < n_users).any():
        raise ValueError(
            f"`max_users` must offer at least {n_users} slots, one for each user; got "
            f"{int(slots.sum(axis=-1).min())}."
        )
    from scipy.optimize import linear_sum_assignment

    for index in map(tuple, np.argwhere(crowded)):
        server_of_slot = np.repeat(np.arange(n_servers), slots[index].astype(int))
        user, slot = linear_sum_assignment(
            benefit[index][:, server_of_slot], maximize=True
        )
        association[index] = 0.0
        association[(*index, user, server_of_slot[slot])] = 1.0
    return association


def _checked(benefit: Any, max_users: Any) -> tuple[Any, Any]:
    """Returns both as arrays, the slots broadcast over batch and servers."""
    if type(benefit) is not np.ndarray or benefit.dtype != np.float64:
        benefit = np.asarray(as_floats(benefit, "benefit"))
    if benefit.ndim < 2 or 0 in benefit.shape[-2:]:
        raise ValueError(f"`benefit` must have shape [..., N, M]; got {benefit.shape}.")
    wrong = np.isnan(benefit) | (benefit == np.inf)
    if wrong.any():
        index = first_index(wrong)
        raise ValueError(
            f"`benefit` must be finite; got {benefit[index]} at index {index}."
        )
    slots = np.asarray(as_floats(max_users, "max_users"))
    wanted = (*benefit.shape[:-2], benefit.shape[-1])
    try:
        slots = np.broadcast_to(slots, wanted)
    except ValueError:
        raise ValueError(
            f"`max_users` must have shape [..., M] = {wanted}; got {slots.shape}."
        ) from None
    if not (slots >= 0).all():
        raise ValueError(
            f"`max_users` must be at least 0; got {slots[~(slots >= 0)][0]}."
        )
    return benefit, slots
