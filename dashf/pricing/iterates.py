"""What the interior-point method keeps of every scenario from step to step."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dashf.common.arrays import Array, Indices, Mask

LARGE = 20_000  # options; with more, those far from chosen are laid aside

#: What changes from step to step and is one number a scenario.
NOW = np.dtype(
    [(name, np.float64) for name in ("y", "theta", "floor", "surplus", "total")]
    + [(f"best_{name}", np.float64) for name in ("y", "ratio", "mixture", "residual")]
    + [("least_residual", np.float64)]
    + [(name, np.int64) for name in ("phase", "first", "rounds", "stalled", "ended")]
)


class Search(NamedTuple):
    """The iterates of S scenarios, N users, J options, M servers, D kinds of price.

    In loops they are those of one scenario, without S.
    """

    table: Array  # [S, N, J, 12]
    server: Indices  # [S, N, J]
    allowed: Mask  # [S, N, J]
    capacity: Array  # [S, M, D]
    single: Mask  # [S, N] whether one option is allowed
    answers: Array  # [S, N, J, 11], of `Response`
    X: Array  # [S, N, J]
    w: Array  # [S, N, J]
    r: Array  # [S, N]
    price: Array  # [S, M, D]
    dual: Array  # [S, M, D] s of (3.2)
    best_price: Array  # [S, M, D]
    best_choice: Array  # [S, N, J]
    now: Any  # [S] of `NOW`; of one scenario: [1]


def scenario_of(b: Search, s: int) -> Search:
    """The iterates of one scenario."""
    asked = b.table[s], b.server[s], b.allowed[s], b.capacity[s], b.single[s]
    iterates = b.answers[s], b.X[s], b.w[s], b.r[s], b.price[s], b.dual[s]
    return Search(
        *asked, *iterates, b.best_price[s], b.best_choice[s], b.now[s : s + 1]
    )


def surplus(v: Search) -> float:
    """U(y, π) = Σ cap·π + Σ_n max_j β_nj."""
    total, price, capacity = 0.0, v.price.ravel(), v.capacity.ravel()
    for i in range(price.size):
        total += capacity[i] * price[i]
    for answers in v.answers:
        total += answers[best_of(answers), 0]
    return total


def best_of(answers: Array) -> int:
    """The option of highest benefit among a user's [J, 11]."""
    best = 0
    for j in range(len(answers)):
        best = j if answers[j, 0] > answers[best, 0] else best
    return best


def remember(v: Search) -> None:
    """The prices and the choice are the best so far."""
    for old, new in ((v.best_price, v.price), (v.best_choice, v.X)):
        before, now = old.ravel(), new.ravel()
        for i in range(now.size):
            before[i] = now[i]
