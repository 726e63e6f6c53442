"""Split and resources for a given association, in a few rounds for a whole batch.

For learning, and for judging many associations at once: a good allocation a million
times, not the best one. A round asks every user for its response to the ratio y and to
the prices λ and μ of its server, with its φ fixed (`price_step.ask_users`), and then
updates

- y by Newton's method on the bound: the surplus over the cost (`interior_point`);
- ln λ and ln μ of every server by Newton's method on ln Σ b = 0 and ln Σ F = 0, since
  demand is nearly a power of the price. Compute that is left idle has its price fall
  to nothing;
- φ to its best for the user's shares, in closed form.

The last round leaves φ as it is, so that prices and shares fit one another.
"""

from __future__ import annotations

import numpy as np

from dashf.common.arrays import Array, Indices
from dashf.common.capacity import fit_capacity
from dashf.pair.backend import in_parallel
from dashf.pair.coefficients import make_pairs, score_constants
from dashf.pair.jit import compiled
from dashf.pair.loops import priced
from dashf.pair.shares import quality_of
from dashf.pair.split import whole_split
from dashf.pair.terms import Response, Score
from dashf.pricing.price_step import ask_users, price_step
from dashf.rules import average_allocation
from mec_llm_env import Allocation, ObjectiveConfig, Scenario, evaluate

_ROUNDS = 6
_FIRST_PRICE = 10.0  # score for all of a server, for each of its users
_LEAST_PRICE = 1e-3  # score; no different from nothing
_STEP = 2.0  # nepers, of a price in a round
_MOST_CROSS = 0.5  # cross over diagonal derivatives of demand, taken for the step


def share_fast(
    scenario: Scenario,
    objective: ObjectiveConfig,
    association: Array,
    local_fraction: Array | None = None,
    ratio: Array | None = None,
) -> Allocation:
    """Returns a good allocation for a given association, feasible where that is.

    Its SCR is high, or, for a given ratio y, its surplus Σ v − y Σ c. Where the
    scenario has `layers`, the best φ is rounded as is better for each user, and the
    rest shared again.

    Args:
        scenario: batch shape [S], NumPy.
        objective: weights and references.
        association: [S, N, M] 0 or 1, one server a user.
        local_fraction: [S, N] φ; chosen as well if None.
        ratio: [S] y of the surplus; the SCR that is reached if None.
    """
    if scenario.layers is not None and local_fraction is None:
        plain = Scenario.unchecked(**scenario.to_dict() | {"layers": None})
        z = share_fast(plain, objective, association, ratio=ratio)
        y = evaluate(plain, z, objective, check=False).scr if ratio is None else ratio
        phi = whole_split(scenario, z, objective, y)
        return share_fast(scenario, objective, association, phi, ratio)
    s, x, k = scenario, association, score_constants(objective)
    server = x.argmax(axis=-1)
    low = s.local_fraction_min if local_fraction is None else local_fraction
    high = s.local_fraction_max if local_fraction is None else local_fraction

    def own(per_server: Array) -> Array:  # [S, M] → [S, N]
        return np.take_along_axis(per_server, server, axis=-1)

    pairs = make_pairs(s, objective)
    costs = np.stack(pairs.arrays(), axis=-1)
    mine = np.take_along_axis(costs, server[..., None, None], axis=-2)[..., 0, :]
    table = np.concatenate([np.stack([low, high], axis=-1), mine], axis=-1)
    if ratio is None:
        y = evaluate(s, average_allocation(s, x), objective, check=False).scr
    else:
        y = np.array(ratio, dtype=np.float64)
    a = np.empty((*server.shape, len(Response._fields)))
    S, N = server.shape
    loop = compiled(share_loop)
    in_parallel(
        loop, S, table, server, s.n_servers, k, ratio is None, y, a, each=_ROUNDS * N
    )
    phi, power, band, compute = np.moveaxis(a[..., 2:6], -1, 0).copy()
    z = fit_capacity(
        s,
        Allocation.unchecked(
            association=x,
            local_fraction=phi,
            transmit_power_w=power * s.transmit_power_max_w,
            bandwidth_hz=band * own(s.bandwidth_max_hz),
            user_frequency_hz=pairs.user_frequency_hz,
            server_frequency_hz=compute * own(s.server_frequency_max_hz),
        ),
    )
    shares = np.stack(
        [
            z.transmit_power_w / s.transmit_power_max_w,
            z.bandwidth_hz / own(s.bandwidth_max_hz),
            z.server_frequency_hz / own(s.server_frequency_max_hz),
        ],
        axis=-1,
    )
    best = np.empty(server.shape)
    in_parallel(compiled(split_loop), S, table, k, y, shares, best, each=N)
    return Allocation.unchecked(**z.to_dict() | {"local_fraction": best})


def share_loop(
    first: int,
    last: int,
    table: Array,  # [S, N, 12]
    server: Indices,  # [S, N]
    servers: int,
    k: Score,
    rising: bool,  # whether the ratio is to be found
    ratio: Array,  # [S] where to start, then where it ended
    out: Array,  # [S, N, 11] the answers
) -> None:
    """The rounds of scenarios from one to another."""
    for s in range(first, last):
        rows, price, y = table[s].copy(), np.zeros((servers, 2)), ratio[s]
        for n in range(len(rows)):
            rows[n, 1] = rows[n, 0]
            for j in range(2):
                price[server[s, n], j] += _FIRST_PRICE
        for i in range(_ROUNDS):
            total = ask_users(rows, server[s], y, price, k, i > 0, out[s])
            rise = total.benefit / total.cost
            for m in range(servers):
                rise += (price[m, 0] + price[m, 1]) / total.cost
            rise = rise if rising else 0.0
            for m in range(servers):
                if price[m, 0] > 0:
                    step = price_step(price, total, m, rise, _MOST_CROSS, 0.0)
                    for j in range(2):
                        change = min(max(step[j], -_STEP), _STEP)
                        price[m, j] = max(price[m, j] * np.exp(change), _LEAST_PRICE)
            y = max(y + rise, 0.3 * y)
            for n in range(len(rows)):
                if i < _ROUNDS - 1:
                    rows[n, 0] = best_phi(table[s, n], k, y, out[s, n, 3:6])
                    rows[n, 1] = rows[n, 0]
        ask_users(rows, server[s], y, price, k, True, out[s])
        ratio[s] = y


def split_loop(
    first: int,
    last: int,
    table: Array,
    k: Score,
    ratio: Array,
    shares: Array,
    out: Array,
) -> None:
    """`best_phi` of all users [S, N] at their shares [S, N, 3]."""
    for s in range(first, last):
        for n in range(table.shape[1]):
            out[s, n] = best_phi(table[s, n], k, ratio[s], shares[s, n])


def best_phi(row: Array, k: Score, y: float, shares: Array) -> float:
    """The best φ for given shares of power, band and frequency, as `split.best_split`.

    The root of the derivative of ω1 ln(u − w φ²) − y e φ, where e, by which the cost
    grows with φ, is negative.
    """
    p, b, F = shares[0], shares[1], shares[2]
    o = priced(row, y, shares, k)  # prices do not matter, so any will do
    upload = (o.wt + o.e * p) / (b * np.log1p(o.snr * p / b))
    saving = y * (o.cs / F + o.es * F * F + o.cd / b - o.local - o.up1 * upload)
    if saving <= 0:
        return row[0]
    u, w = 1 + k.w2 * quality_of(0.0, p, b, F, o), k.w2 * k.wo
    root = np.sqrt((k.w1 * w) ** 2 + saving**2 * w * u)
    return min(max(saving * u / max(k.w1 * w + root, 1e-200), row[0]), row[1])
