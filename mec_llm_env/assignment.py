"""Assignment of users to servers with limited room, by the Hungarian method."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment


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
        ValueError: the servers have fewer slots than there are users.
    """
    benefit = np.asarray(benefit, dtype=np.float64)
    *batch, n_users, n_servers = benefit.shape
    best = benefit.argmax(axis=-1)
    association = (best[..., None] == np.arange(n_servers)).astype(np.float64)
    if np.min(max_users) >= n_users:
        return association
    crowded = (association.sum(axis=-2) > max_users).any(axis=-1)
    if not crowded.any():
        return association
    slots = np.minimum(np.broadcast_to(max_users, (*batch, n_servers)), n_users)
    if (slots.sum(axis=-1) < n_users).any():
        raise ValueError(
            f"`max_users` must offer at least {n_users} slots, one a user; got "
            f"{int(slots.sum(axis=-1).min())}."
        )
    for index in map(tuple, np.argwhere(crowded)):
        server_of_slot = np.repeat(np.arange(n_servers), slots[index].astype(int))
        user, slot = linear_sum_assignment(
            benefit[index][:, server_of_slot], maximize=True
        )
        association[index] = 0.0
        association[(*index, user, server_of_slot[slot])] = 1.0
    return association
