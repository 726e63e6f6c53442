"""The prices that give the lowest bound: a primal-dual interior-point method.

The bound of a scenario is itself a convex program (docs/bounds.md, 3), in the ratio y,
the prices π_m of bandwidth, compute and, with finite `max_users`, of a slot of each
server, and r_n:

    min y   s.t.   Σ_m cap_m · π_m + Σ_n r_n = 0,   r_n ≥ β_nj(π, y),   π ≥ 0,

where β_nj is the priced maximum of user n in option j: at one server, with φ in one
part of its range. Its multipliers X_nj are a fractional association. Every iteration
asks for all β_nj with first and second derivatives and solves one linear system as
large as the prices. All of it is compiled. Best φ are followed from one iteration to
the next; whether others have become better is seen once the method has ended.

With one option a user, `clearing` is for it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from dashf.common.arrays import Array, Indices, Mask
from dashf.common.clock import Clock, OutOfTime
from dashf.pair.backend import in_parallel
from dashf.pair.jit import compiled
from dashf.pair.terms import Response, Score
from dashf.pricing.options import (
    Asked,
    Options,
    PriceSolution,
    respond_loop,
    respond_user,
)

_MAX_ITERATIONS = 100
_LARGE = 20_000  # options; with more, those far from chosen are laid aside
_A_LOOK = 2_000  # options between two looks at the clock, some 2 ms
_MANY_STEPS = 20  # for two threads to be worth their start
_STALL = 12  # iterations without progress: where a best φ jumps they may cycle
_CLOSE = 1e-6  # complementarity over total score, and residuals over it
_FIRST_PRICE = 10.0  # score for all of a server, for each of its users
_FIRST_SLOT_PRICE = 1.0  # score
_FIRST_STEPS, _FAR = 40, 10.0  # that raise y by more than this factor of it
_FIRST_THETA = 0.03  # score, at least
_SLACK_KEPT = 0.3  # of a slack, where the curvature of a benefit takes it
_LARGEST_FALL, _LARGEST_RISE = 0.5, 1.0  # of y in a step, relative
_TO_BOUNDARY = 0.98  # of the way to where something is no longer positive
_LEAST = 1e-12  # of prices and slacks in score, of the curvature in a price
_RIDGE = 1e-11  # on the scaled matrix's unit diagonal
_PROGRESS = 0.9  # of the least residual so far: below it there is progress
_HOPELESS_CHOICE, _HOPELESS_SLACK = 1e-3, 2.0  # below and above it at a late theta of
_LATE_THETA = 3e-3
_FIRST_MARGIN = 10.0  # score by which r is first above the best benefit
_FIRST, _FOLLOW, _CHECK, _ANEW = range(4)  # phases; φ are followed in one of them

#: What changes from step to step and is one number a scenario.
_NOW = np.dtype(
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
    now: Any  # [S] of `_NOW`; of one scenario: [1]


def find_prices(
    options: Options,
    k: Score,
    ratio: Array,
    *,
    max_iterations: int = _MAX_ITERATIONS,
    close: float = _CLOSE,
) -> PriceSolution:
    """Minimises the bound of every scenario of a batch over prices and ratio.

    Out of time it ends with what it has by then.

    Args:
        options: what each user may choose between.
        k: `score_constants`.
        ratio: [S] a first y, such as the SCR of an allocation.
        max_iterations: at most.
        close: complementarity over total score that ends the iteration.
    """
    v = _begin(options, ratio)
    S, N, J = options.allowed.shape
    clock, size = options.clock, N * J
    many = size > _LARGE
    steps = 1 if many else max(1, _A_LOOK // size) if clock.limits else 10**9
    try:
        while not v.now.ended.all():
            for s in np.flatnonzero(v.now.ended == 0) if many else ():
                _ask_in_threads(v, s, k, clock)
            in_parallel(
                compiled(search_loop),
                S,
                *(v, k, not many, steps, max_iterations, close),
                clock=clock,
                each=_MANY_STEPS * size,
            )
    except OutOfTime:
        pass
    return PriceSolution(
        ratio=v.now.best_ratio.copy(),
        price=v.best_price,
        choice=v.best_choice,
        mixture=v.now.best_mixture.copy(),
        residual=v.now.best_residual.copy(),
        iterations=v.now.rounds.copy(),
    )


def _begin(options: Options, ratio: Array) -> Search:
    S, N, J = options.allowed.shape
    capacity = np.ascontiguousarray(options.capacity)
    price = np.full(capacity.shape, _FIRST_PRICE * N / capacity.shape[1])
    price[..., 2:] = _FIRST_SLOT_PRICE
    allowed = options.allowed.copy()
    choice = allowed / allowed.sum(axis=-1, keepdims=True)
    now = np.zeros(S, dtype=_NOW).view(np.recarray)
    now.y = now.best_ratio = ratio
    now.floor = options.cost_floor()
    now.best_y = now.best_residual = now.least_residual = np.inf
    return Search(
        table=options.table,
        server=options.server,
        allowed=allowed,
        capacity=capacity,
        single=allowed.sum(axis=-1) == 1,
        answers=np.empty((S, N, J, len(Response._fields))),
        X=choice.copy(),
        w=np.ones((S, N, J)),
        r=np.zeros((S, N)),
        price=price,
        dual=np.zeros(price.shape),
        best_price=price.copy(),
        best_choice=choice,
        now=now,
    )


def _ask_in_threads(v: Search, s: int, k: Score, clock: Clock) -> None:
    """Asks for the responses of a large scenario, which `search_loop` then takes."""
    one, nearby = slice(s, s + 1), bool(v.now[s].phase == _FOLLOW)
    options = v.table[one], v.server[one], v.allowed[one]
    asked = Asked(*options, v.now.y[one].copy(), v.price[one], nearby)
    _, N, J = v.X.shape
    loop, out = compiled(respond_loop), v.answers[s]
    in_parallel(loop, N, asked, k, out, clock=clock, each=J)


def search_loop(
    first: int,
    last: int,
    batch: Search,
    k: Score,
    ask: bool,
    steps: int,
    most: int,
    close: float,
) -> None:
    """Makes steps in scenarios from one to another, until they have ended.

    Args:
        first: of the scenarios.
        last: the first that is not one of them.
        batch: their iterates.
        k: `score_constants`.
        ask: whether the responses have to be asked for.
        steps: to make now, at most.
        most: to make in all.
        close: complementarity over total score that ends the iteration.
    """
    for s in range(first, last):
        v = scenario_of(batch, s)
        for _ in range(steps):
            if v.now[0].ended:
                break
            if ask:
                y, nearby = v.now[0].y, v.now[0].phase == _FOLLOW
                for n in range(len(v.X)):
                    own, out = (v.table[n], v.server[n], v.allowed[n]), v.answers[n]
                    respond_user(own[0], own[1], own[2], y, v.price, k, nearby, out)
            make_step(v, most, close)


def scenario_of(b: Search, s: int) -> Search:
    """The iterates of one scenario."""
    asked = b.table[s], b.server[s], b.allowed[s], b.capacity[s], b.single[s]
    iterates = b.answers[s], b.X[s], b.w[s], b.r[s], b.price[s], b.dual[s]
    return Search(
        *asked, *iterates, b.best_price[s], b.best_choice[s], b.now[s : s + 1]
    )


def make_step(v: Search, most: int, close: float) -> None:
    """A step from the responses to the present prices, by the phase that it is in."""
    now = v.now[0]
    if now.phase == _FIRST:
        if raise_ratio(v):
            return
        begin(v)
        now.phase = _FOLLOW
    elif now.phase == _CHECK:
        if surplus(v) <= now.surplus + 0.1 * close * now.total:
            now.ended = 1
            return
        # Some best φ has jumped: go on with the best of every response.
        now.phase, now.best_y, now.stalled = _ANEW, np.inf, 0
    now.rounds += 1
    if now.rounds >= most:
        now.ended = 1
        return
    set_slacks(v)
    if not judge(v, close):
        newton(v)
    elif now.phase == _FOLLOW:
        now.phase = _CHECK
    else:
        now.ended = 1


def surplus(v: Search) -> float:
    """U(y, π) = Σ cap·π + Σ_n max_j β_nj."""
    total = 0.0
    for i in range(v.price.size):
        total += v.capacity.flat[i] * v.price.flat[i]
    for answers in v.answers:
        total += answers[:, 0].max()
    return total


def raise_ratio(v: Search) -> bool:
    """Newton's step on U(·, prices), which comes from the left, where y is far off."""
    now, cost = v.now[0], 0.0
    for answers in v.answers:
        cost += answers[answers[:, 0].argmax(), 1]
    step = surplus(v) / cost
    now.first += 1
    if not step > _FAR * now.y or now.first >= _FIRST_STEPS:
        return False
    now.y += step
    return True


def begin(v: Search) -> None:
    """The first r, w, X and θ."""
    now, gap, count = v.now[0], 0.0, 0
    for n in range(len(v.X)):
        if v.single[n]:
            continue
        w, X, total = v.w[n], v.X[n], 0.0
        v.r[n] = v.answers[n, :, 0].max() + _FIRST_MARGIN
        for j in range(len(X)):
            if v.allowed[n, j]:
                w[j] = v.r[n] - v.answers[n, j, 0]
                X[j] = 1 / w[j]
                total, count = total + X[j], count + 1
        for j in range(len(X)):
            X[j] /= total
            gap += X[j] * w[j]
    now.theta = max(gap / max(count, 1), _FIRST_THETA)
    now.best_ratio = now.y
    for i in range(v.price.size):
        v.dual.flat[i] = now.theta / v.price.flat[i]
    remember(v)


def remember(v: Search) -> None:
    """The prices and the choice are the best so far."""
    for i in range(v.price.size):
        v.best_price.flat[i] = v.price.flat[i]
    for i in range(v.X.size):
        v.best_choice.flat[i] = v.X.flat[i]


def set_slacks(v: Search) -> None:
    """Sets w to r − β; r gives way where the curvature of a benefit took the slack.

    In large scenarios options that are far from chosen are laid aside. It makes the
    search several times faster and can only loosen the bound: the certificate asks all.
    """
    late = v.X.size > _LARGE and v.now[0].theta < _LATE_THETA
    for n in range(len(v.X)):
        a, X, w, total, count = v.answers[n], v.X[n], v.w[n], 0.0, 0
        r = -np.inf if v.single[n] else v.r[n]
        for j in range(len(w)):
            if v.allowed[n, j]:
                if late and X[j] < _HOPELESS_CHOICE and w[j] > _HOPELESS_SLACK:
                    v.allowed[n, j], X[j], w[j], a[j, 0] = False, 0.0, 1.0, -np.inf
                else:
                    kept = 0.0 if v.single[n] else _SLACK_KEPT * w[j]
                    r, total, count = max(r, a[j, 0] + kept), total + X[j], count + 1
        v.r[n], v.single[n] = r, count == 1
        for j in range(len(w)):
            if v.allowed[n, j]:
                X[j] /= total
                w[j] = 1.0 if count == 1 else max(r - a[j, 0], _LEAST)


def judge(v: Search, close: float) -> bool:
    """Ranks the iterate by its bound, (3.6), and says whether it has ended."""
    now, price, cap, dual = (
        v.now[0],
        v.price.ravel(),
        v.capacity.ravel(),
        v.dual.ravel(),
    )
    cost, benefit, gap, wrong, D = 0.0, 0.0, 0.0, 0.0, v.price.shape[1]
    demand = np.zeros(price.size)
    for n in range(len(v.X)):
        wrong += v.r[n]
        for j in range(v.X.shape[1]):
            x = v.X[n, j]
            if v.allowed[n, j]:
                a, at = v.answers[n, j], v.server[n, j] * D
                cost, benefit = cost + x * a[1], benefit + x * a[0]
                gap += 0.0 if v.single[n] else x * v.w[n, j]
                for i in range(D):
                    demand[at + i] += x * (a[4 + i] if i < 2 else 1.0)
    # Complementarity and residuals of (3.2), in score; the ratio of the mixture, (3.7).
    paid, excess = 0.0, 0.0
    for i in range(price.size):
        wrong += cap[i] * price[i]
        gap += dual[i] * price[i]
        excess += abs(cap[i] - dual[i] - demand[i]) * price[i]
        paid += min(demand[i], cap[i]) * price[i]
    now.surplus, now.total, wrong = surplus(v), now.y * cost, abs(wrong) + excess
    bound = now.y + max(now.surplus, 0.0) / now.floor
    residual = (gap + wrong) / now.total

    gained = bound < now.best_y * (1 - 0.1 * close)
    gained = gained or residual < _PROGRESS * now.least_residual
    now.stalled = 0 if gained else now.stalled + 1
    now.least_residual = min(now.least_residual, residual)
    if bound < now.best_y:
        now.best_y, now.best_ratio = bound, bound
        now.best_mixture = now.y + (benefit + paid) / cost
        now.best_residual = residual
        remember(v)
    ended = gap < close * now.total and wrong < 10 * close * now.total
    return ended or now.stalled >= _STALL


def newton(v: Search) -> None:
    """Solves Newton's system, the users eliminated (3.4), and goes along it."""
    now, price, cap, D = v.now[0], v.price.ravel(), v.capacity.ravel(), v.price.shape[1]
    size = price.size
    # H dπ + h dy = ρ, (3.5), and the balance row for dy.
    H, h, rho, row = np.zeros((size, size)), np.zeros(size), cap.copy(), cap.copy()
    V, touched, g = np.zeros(size), np.zeros(size, np.int64), np.ones(D)
    balance, slope = 0.0, 0.0
    for i in range(size):
        balance += cap[i] * price[i]
        rho[i] = now.theta / price[i] - cap[i]
        H[i, i] = v.dual.flat[i] / price[i] + _LEAST
    for n in range(len(v.X)):
        sigma, lift, c_d, count, single = 0.0, -1.0, 0.0, 0, v.single[n]
        for j in range(v.X.shape[1]):
            if not v.allowed[n, j]:
                continue
            a, x, at = v.answers[n, j], v.X[n, j], v.server[n, j] * D
            g[0], g[1] = a[4], a[5]
            d, target = 0.0, x
            if not single:
                d, target = x / v.w[n, j], now.theta / v.w[n, j]
            sigma, lift, c_d = sigma + d, lift + target, c_d + d * a[1]
            for i in range(D):
                if d > 0 and V[at + i] == 0:
                    touched[count] = at + i
                    count += 1
                V[at + i] += d * g[i]
                rho[at + i] += target * g[i]
                h[at + i] += d * g[i] * a[1]
                for o in range(i + 1):
                    H[at + i, at + o] += d * g[i] * g[o]
            H[at, at] += x * a[6]
            H[at + 1, at] += x * a[7]
            H[at + 1, at + 1] += x * a[8]
            h[at] += x * a[9]
            h[at + 1] += x * a[10]
            if single:
                slope += x * a[1]
                for i in range(D):
                    row[at + i] -= x * g[i]
        balance += v.r[n]
        if single:
            continue
        balance, slope = balance + lift / sigma, slope + c_d / sigma
        for one in touched[:count]:
            rho[one] -= V[one] * lift / sigma
            h[one] -= V[one] * c_d / sigma
            row[one] -= V[one] / sigma
            for other in touched[:count]:
                if other <= one:
                    H[one, other] -= V[one] * V[other] / sigma
        for one in touched[:count]:
            V[one] = 0.0
    solve_symmetric(H, rho, h)
    for i in range(size):
        balance, slope = balance + row[i] * rho[i], slope + row[i] * h[i]
    dy = min(max(balance / slope, -_LARGEST_FALL * now.y), _LARGEST_RISE * now.y)
    for i in range(size):
        rho[i] -= h[i] * dy
    move(v, dy, rho)


def solve_symmetric(H: Array, one: Array, other: Array) -> None:
    """Solves for two right-hand sides in place; H by its lower half, well scaled."""
    size = len(H)
    scale = np.empty(size)
    for i in range(size):
        scale[i] = 1 / np.sqrt(max(H[i, i], _LEAST))
        for j in range(i + 1):
            rest = H[i, j] * scale[i] * scale[j] + (_RIDGE if i == j else 0.0)
            for o in range(j):
                rest -= H[i, o] * H[j, o]
            H[i, j] = np.sqrt(max(rest, _RIDGE)) if i == j else rest / H[j, j]
    for x in (one, other):
        for i in range(size):
            x[i] *= scale[i]
            for j in range(i):
                x[i] -= H[i, j] * x[j]
            x[i] /= H[i, i]
        for i in range(size - 1, -1, -1):
            x[i] /= H[i, i]
            for j in range(i):
                x[j] -= H[i, j] * x[i]
            x[i] *= scale[i]


def move(v: Search, dy: float, dp: Array) -> None:
    """Goes along the step, (3.3), as far as everything stays positive."""
    now, price, dual, D = v.now[0], v.price.ravel(), v.dual.ravel(), v.price.shape[1]
    primal, back, dr = np.inf, np.inf, np.zeros(len(v.X))
    ds, dw, dX = np.zeros(dp.size), np.zeros(v.X.shape), np.zeros(v.X.shape)
    for i in range(dp.size):
        ds[i] = now.theta / price[i] - dual[i] - dual[i] / price[i] * dp[i]
        primal, back = longest(primal, price[i], dp[i]), longest(back, dual[i], ds[i])
    for n in range(len(v.X)):
        if v.single[n]:
            continue
        sigma, lift = 0.0, -1.0
        for j in range(v.X.shape[1]):
            if v.allowed[n, j]:
                a, at, w = v.answers[n, j], v.server[n, j] * D, v.w[n, j]
                dw[n, j] = a[4] * dp[at] + a[5] * dp[at + 1] + a[1] * dy
                dw[n, j] += dp[at + 2] if D == 3 else 0.0
                d = v.X[n, j] / w
                sigma, lift = sigma + d, lift + now.theta / w - d * dw[n, j]
        dr[n] = lift / sigma
        for j in range(v.X.shape[1]):
            if v.allowed[n, j]:
                x, w = v.X[n, j], v.w[n, j]
                dw[n, j] += dr[n]
                dX[n, j] = now.theta / w - x - x / w * dw[n, j]
                primal = longest(primal, w, dw[n, j])
                back = longest(back, x, dX[n, j])
    primal, back = min(1.0, _TO_BOUNDARY * primal), min(1.0, _TO_BOUNDARY * back)
    now.y += primal * dy
    gap, count = 0.0, dp.size
    for i in range(dp.size):
        price[i] = max(price[i] + primal * dp[i], _LEAST)
        dual[i] = max(dual[i] + back * ds[i], 1e-3 * _LEAST)
        gap += price[i] * dual[i]
    for n in range(len(v.X)):
        if v.single[n]:
            continue
        X, w, total = v.X[n], v.w[n], 0.0
        v.r[n] += primal * dr[n]
        for j in range(len(X)):
            X[j] += back * dX[n, j]
            total += X[j]
        for j in range(len(X)):
            if v.allowed[n, j]:
                X[j] /= total
                w[j] = max(w[j] + primal * dw[n, j], _LEAST)
                gap, count = gap + X[j] * w[j], count + 1
    shortest = min(primal, back)
    fall = 0.1 if shortest > 0.7 else 0.3 if shortest > 0.3 else 0.7
    now.theta = fall * gap / count


def longest(most: float, value: float, change: float) -> float:
    """How far along `change` a value stays positive, at most `most`."""
    return min(most, -value / change) if change < 0 else most
