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

import numpy as np

from dashf.common.arrays import Array
from dashf.common.clock import Clock, OutOfTime
from dashf.pair.backend import in_parallel
from dashf.pair.jit import compiled
from dashf.pair.loops import Asked, respond_loop, respond_user
from dashf.pair.terms import Response, Score
from dashf.pricing.interior_step import judge, newton, set_slacks
from dashf.pricing.iterates import (
    LARGE,
    NOW,
    Search,
    best_of,
    remember,
    scenario_of,
    surplus,
)
from dashf.pricing.options import Options, PriceSolution

_MAX_ITERATIONS = 100
_A_LOOK = 2_000  # options between two looks at the clock, some 2 ms
_MANY_STEPS = 20  # for two threads to be worth their start
_CLOSE = 1e-6  # complementarity over total score, and residuals over it
_FIRST_PRICE = 10.0  # score for all of a server, for each of its users
_FIRST_SLOT_PRICE = 1.0  # score
_FIRST_STEPS, _FAR = 40, 10.0  # that raise y by more than this factor of it
_FIRST_THETA = 0.03  # score, at least
_FIRST_MARGIN = 10.0  # score by which r is first above the best benefit
_FIRST, _FOLLOW, _CHECK, _ANEW = range(4)  # phases; φ are followed in one of them


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
    many = size > LARGE
    steps = 1 if many else max(1, _A_LOOK // size) if clock.limits else 10**9
    try:
        while not v.now["ended"].all():
            for s in np.flatnonzero(v.now["ended"] == 0) if many else ():
                _ask_in_threads(v, int(s), k, clock)
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
        ratio=v.now["best_ratio"].copy(),
        price=v.best_price,
        choice=v.best_choice,
        mixture=v.now["best_mixture"].copy(),
        residual=v.now["best_residual"].copy(),
        iterations=v.now["rounds"].copy(),
    )


def _begin(options: Options, ratio: Array) -> Search:
    S, N, J = options.allowed.shape
    capacity = np.ascontiguousarray(options.capacity)
    price = np.full(capacity.shape, _FIRST_PRICE * N / capacity.shape[1])
    price[..., 2:] = _FIRST_SLOT_PRICE
    allowed = options.allowed.copy()
    choice = allowed / allowed.sum(axis=-1, keepdims=True)
    now = np.zeros(S, dtype=NOW)
    now["y"] = now["best_ratio"] = ratio
    now["floor"] = options.cost_floor()
    for name in ("best_y", "best_residual", "least_residual"):
        now[name] = np.inf
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
    one, nearby = slice(s, s + 1), bool(v.now["phase"][s] == _FOLLOW)
    options = v.table[one], v.server[one], v.allowed[one]
    asked = Asked(*options, v.now["y"][one].copy(), v.price[one], nearby)
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


def raise_ratio(v: Search) -> bool:
    """Newton's step on U(·, prices), which comes from the left, where y is far off."""
    now, cost = v.now[0], 0.0
    for answers in v.answers:
        cost += answers[best_of(answers), 1]
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
        w, X, answers, total = v.w[n], v.X[n], v.answers[n], 0.0
        v.r[n] = answers[best_of(answers), 0] + _FIRST_MARGIN
        for j in range(len(X)):
            if v.allowed[n, j]:
                w[j] = v.r[n] - answers[j, 0]
                X[j] = 1 / w[j]
                total, count = total + X[j], count + 1
        for j in range(len(X)):
            X[j] /= total
            gap += X[j] * w[j]
    now.theta = max(gap / max(count, 1), _FIRST_THETA)
    now.best_ratio = now.y
    price, dual = v.price.ravel(), v.dual.ravel()
    for i in range(price.size):
        dual[i] = now.theta / price[i]
    remember(v)
