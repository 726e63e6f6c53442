"""The policy gradient of the association, from pairs that differ in one user.

The estimate is unbiased for any number of servers. In the difference of their values
most of the variance between scenarios cancels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mec_llm_env.assignment import round_assignment


def sample_pair(
    scores: Tensor,  # [B, N, M]
    max_users: Any,  # [B, M], NumPy
    generator: torch.Generator,
) -> Tensor:
    """Draws two associations [2, B, N, M] of 0 and 1 from the softmax of the scores.

    The second differs in one user, chosen at random, who moves to the server that came
    second in its Gumbel draw. If that server is full, the user there who loses least
    swaps with it.
    """
    uniform = torch.rand(scores.shape, generator=generator)
    noisy = scores - torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7)))
    drawn = torch.from_numpy(round_assignment(noisy.numpy(), max_users)).float()
    n_batch, n_users, n_servers = scores.shape
    row = torch.arange(n_batch)
    user = torch.randint(n_users, (n_batch,), generator=generator)
    mine = drawn[row, user]  # [B, M]
    second = noisy[row, user].masked_fill(mine > 0, -torch.inf).argmax(dim=-1)
    theirs = functional.one_hot(second, n_servers).float()
    other = drawn.clone()
    other[row, user] = theirs

    full = drawn.sum(dim=-2)[row, second].numpy() >= max_users[row, second]
    if full.any():
        loss = (noisy * (theirs - mine)[:, None]).sum(dim=-1)  # [B, N], for `mine`
        loss[drawn[row, :, second] == 0] = torch.inf
        other[row[full], loss.argmin(dim=-1)[full]] = mine[full]
    return torch.stack([drawn, other])


def association_surrogate(
    scores: Tensor,  # [B, N, M]
    association: Tensor,  # [2, B, N, M], of `sample_pair`
    value: Tensor,  # [2, B]
) -> Tensor:
    """Returns a surrogate whose gradient is the policy gradient of the mean value.

    With p and q the probabilities of the two servers of the user that differs, the pair
    is drawn with the probability pq/(1 − p) + pq/(1 − q), and the gradient is the sum
    over pairs of pq times their difference in value and in score. Where two users
    swapped, the mean of their weights is taken, which is an assumption.
    """
    change = association[1] - association[0]
    left = 1 - torch.softmax(scores.detach(), dim=-1)
    now, then = (torch.relu(sign * change * left).sum(dim=-1) for sign in (-1, 1))
    weight = now * then / (now + then).clamp_min(1e-9)  # [B, N], 0 without a change
    moved = (change != 0).any(dim=-1).sum(dim=-1)  # 2 where two users swap
    difference = (value[1] - value[0]).detach() * weight.sum(dim=-1)
    change_of_score = (change * scores).sum(dim=(-1, -2)) / moved.clamp_min(1)
    return scores.shape[-2] * (difference * change_of_score).mean()
