"""The priced problem of one pair, for numbers (compiled) and arrays (NumPy) alike.

Every function here is written once and runs in two ways: on whole arrays by NumPy, or
on numbers inside the loops of `dashf.pair.backend`, by numba. So the two agree.

With the tuple c of a pair's coefficients (`pairs.Pairs`) and k of constants
(`pairs.score_constants`) the problem is, for a ratio y and prices λ and μ,

    max over φ, p, b, F of  v − y c − λ b − μ F.

What makes it easy is in `docs/bounds.md`. Briefly: for given φ and b the best power is
on a curve with x = snr p/b as its parameter; along it the upload cost is convex in b;
so for given φ the problem is concave in (b, F), and with t = 1/(1 + ω2 q), the slope
of the logarithm, it falls apart into one equation for b, one for F and one for t.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Number = Any  # an array under NumPy, a number when compiled

_SMALL = 0.02  # below it the remainder takes its series
_TINY = 1e-30
_CLOSE = 1e-9  # Newton steps this small, in logarithms, end an iteration
_MISSING = 1e-6  # quality, relative, by which t may miss its equation
_NEAR_POWER = 1.3  # factor within which the best power is sought first
_BESIDE = 4e-9  # relative, from t to where demand has jumped


def select(condition: Number, yes: Number, no: Number) -> Number:
    """`yes` where the condition holds, else `no`. Compiled: a plain choice."""
    return np.where(condition, yes, no)


def every(condition: Number) -> bool:
    """Whether a condition holds everywhere: ends iterations."""
    return bool(np.all(condition))


def remainder(x: Number, log1p_x: Number) -> Number:
    """(1 + x) ln(1 + x) − x, about x²/2, without cancellation."""
    z = np.minimum(x, _SMALL)
    series = 1 / 56 - z * (1 / 72 - z / 90)
    series = 1 / 20 - z * (1 / 30 - z * (1 / 42 - z * series))
    series = z * z * (1 / 2 - z * (1 / 6 - z * (1 / 12 - z * series)))
    return select(x < _SMALL, series, (1 + x) * log1p_x - x)


def power_on_curve(
    x: Number, rest: Number, wt: Number, e: Number, p_min: Number, p_max: Number
) -> Number:
    """The best power share where the signal to noise is x; `rest` = remainder(x)."""
    return np.maximum(p_min, p_max * (wt * x / np.maximum(p_max * e * rest, wt * x)))


def snr_at_full_band(
    snr: Number, wt: Number, e: Number, p_min: Number, p_max: Number
) -> Number:
    """The x at which the curve takes the whole band: snr p(x)/x = 1."""
    goal = wt * snr / np.maximum(e, _TINY * wt)  # inside the power range: rest = goal
    z = np.log(np.sqrt(2 * goal) + goal / (1 + np.log1p(goal)))
    for _ in range(40):
        x = np.exp(z)
        log1p_x = np.log1p(x)
        rest = remainder(x, log1p_x)
        step = np.log(rest / goal) * rest / (x * log1p_x)
        z = z - step
        if every(np.abs(step) < 1e-13):
            break
    x = np.exp(z)
    return np.minimum(np.maximum(x, snr * p_min), snr * p_max)


def solve_bandwidth(
    price: Number,  # net: what is paid less what the score pays for it
    up: Number,  # y (up0 + up1 φ)
    down: Number,  # y (1 − φ) cd
    snr: Number,
    wt: Number,
    e: Number,
    p_min: Number,
    p_max: Number,
    x_full: Number,  # x at the whole band
    x_start: Number,
) -> tuple[Number, Number, Number, Number, Number, Number]:
    """Maximises −price b − up (wt + e p)/(b ln(1 + x)) − down/b over b in (0, 1].

    Returns:
        x, b, p, ln(1 + x), the marginal value of b without its price, and
        −d ln b / d ln price (0 at the whole band).
    """
    z_full = np.log(x_full)
    z = np.maximum(np.log(x_start), z_full)
    positive = price > 0
    log_price = np.log(select(positive, price, 1.0))
    for _ in range(60):
        x = np.exp(z)
        log1p_x = np.log1p(x)
        rest = remainder(x, log1p_x)
        p = power_on_curve(x, rest, wt, e, p_min, p_max)
        b = snr * p / x
        rate = (wt + e * p) * rest / ((1 + x) * log1p_x * log1p_x)
        marginal = (up * rate + down) / (b * b)
        inside = (p < p_max) & (p > p_min)
        growth = x * log1p_x / rest  # d ln rest / d ln x, in [1, 2]
        edge = 1 + growth - 2 * x / ((1 + x) * log1p_x)
        share = x / (1 + x)
        slope_rate = select(inside, -share / log1p_x, edge - 1 - share)
        slope_b = select(inside, growth, 1.0)  # −d ln b / d ln x
        slope = slope_rate * up * rate / (up * rate + down) + 2 * slope_b
        step = (np.log(marginal) - log_price) / slope
        z_next = select(
            positive, np.minimum(np.maximum(z - step, z_full), z_full + 600), z_full
        )
        moved = np.abs(z_next - z)
        z = z_next
        if every(moved < _CLOSE):
            break
    free = positive & (z > z_full)
    return x, b, p, log1p_x, marginal, select(free, slope_b / slope, 0.0)


def solve_compute(price: Number, delay: Number, energy: Number) -> Number:
    """Maximises −price F − delay/F − energy F² over F in (0, 1].

    The root of 2 energy F³ + price F² = delay, by Newton steps that fall to it.
    """
    twice = 2 * np.maximum(energy, 1e-200)
    ceiling = twice + price <= delay  # the slope at F = 1 is not negative
    by_energy = np.cbrt(delay / twice)
    by_price = np.sqrt(delay / np.maximum(price, _TINY))
    start = select(
        price > 0, np.minimum(by_energy, by_price), by_energy - price / twice
    )
    F = np.minimum(start, 1.0)
    for _ in range(50):
        gap = (twice * F + price) * F * F - delay
        step = gap / select(ceiling, 1.0, (3 * twice * F + 2 * price) * F)
        F = select(ceiling, 1.0, np.maximum(F - step, 0.1 * F))
        if every(ceiling | (np.abs(step) <= 1e-8 * F)):
            break
    return np.minimum(F, 1.0)


def solve_shares(
    fraction: Number,
    credit: Number,  # power share that the score counts
    y: Number,
    price_b: Number,
    price_f: Number,
    c: tuple[Number, ...],
    k: tuple[float, ...],
    p_min: Number,
    p_max: Number,
    x_full: Number,
    t: Number,
    x: Number,
) -> tuple[Number, ...]:
    """Solves the priced problem in (b, F, p) for a given φ; t and x are starts.

    Returns:
        t, x, p, b, F, ln(1 + x), marginal value of b, −d ln b / d ln (its price).
    """
    _, up0, up1, snr, e, cs, es, cd = c
    wt, w1, w2, _, wb, wc, wo = k
    wp = k[3]
    up, rest = y * (up0 + up1 * fraction), y * (1 - fraction)
    base = wp * credit + wo * (1 - fraction * fraction)
    low = (1 - 1e-9) / (1 + w2 * (base + wb + wc))
    high = (1 + 1e-9) / (1 + w2 * base)
    t = np.minimum(np.maximum(t, low), high)
    for _ in range(60):
        net_b = price_b - w1 * w2 * wb * t
        net_f = price_f - w1 * w2 * wc * t
        x, b, p, log1p_x, marginal, slope_b = solve_bandwidth(
            net_b, up, rest * cd, snr, wt, e, p_min, p_max, x_full, x
        )
        F = solve_compute(net_f, rest * cs, rest * es)
        quality = base + wb * b + wc * F
        excess = t * (1 + w2 * quality) - 1
        above = excess > 0
        high = select(above, t, high)
        low = select(above, low, t)
        rise_b = select(slope_b > 0, slope_b * b / select(slope_b > 0, net_b, 1.0), 0.0)
        bend = 2 * rest * es + 2 * rest * cs / (F * F * F)
        rise_f = select(F < 1, 1 / bend, 0.0)
        slope = (
            1 + w2 * quality + t * w2 * w1 * w2 * (wb * wb * rise_b + wc * wc * rise_f)
        )
        newton = t - excess / slope
        outside = (newton <= low) | (newton >= high)
        t_next = select(outside, (low + high) / 2, newton)
        done = np.abs(t_next - t) <= 1e-9 * t
        t = t_next
        if every(done):
            break
    missing = (1 / t - 1) / w2 - quality
    if every(np.abs(missing) <= _MISSING * (quality + 1 / w2)):
        return t, x, p, b, F, log1p_x, marginal, slope_b
    # Where a share hardly costs anything its demand jumps with t, and no t solves the
    # equation: what does lies between the demands a little below and above it.
    below, above = (1 - _BESIDE) * w1 * w2 * t, (1 + _BESIDE) * w1 * w2 * t
    F_low = solve_compute(price_f - wc * below, rest * cs, rest * es)
    F_high = solve_compute(price_f - wc * above, rest * cs, rest * es)
    at = (up, rest * cd, snr, wt, e, p_min, p_max, x_full, x)
    b_low = solve_bandwidth(price_b - wb * below, *at)[1]
    b_high = solve_bandwidth(price_b - wb * above, *at)[1]
    wanted = (1 / t - 1) / w2 - base
    F = fill(wanted - wb * b_low, wc, F_low, F_high)
    b = fill(wanted - wc * F, wb, b_low, b_high)
    x = np.maximum(snr_at_full_band(snr / b, wt, e, p_min, p_max), x_full)
    log1p_x = np.log1p(x)
    rest_x = remainder(x, log1p_x)
    p = power_on_curve(x, rest_x, wt, e, p_min, p_max)
    rate = (wt + e * p) * rest_x / ((1 + x) * log1p_x * log1p_x)
    b = np.minimum(snr * p / x, 1.0)
    marginal = (up * rate + rest * cd) / (b * b)
    x, b, p, log1p_x, marginal, slope_b = solve_bandwidth(
        marginal, up, rest * cd, snr, wt, e, p_min, p_max, x_full, x
    )
    return t, x, p, b, F, log1p_x, marginal, slope_b


def fill(wanted: Number, weight: Number, low: Number, high: Number) -> Number:
    """The share between two demands whose part of the score is what is wanted."""
    share = wanted / np.maximum(weight, _TINY)
    return np.minimum(np.maximum(share, np.minimum(low, high)), high)


def pair_cost(
    fraction: Number,
    p: Number,
    b: Number,
    F: Number,
    log1p_x: Number,
    c: tuple[Number, ...],
    wt: float,
) -> tuple[Number, Number]:
    """Returns a pair's cost and its derivative by φ."""
    local, up0, up1, _, e, cs, es, cd = c
    upload = (wt + e * p) / (b * log1p_x)
    remote = cs / F + es * F * F + cd / b
    cost = fraction * local + (up0 + up1 * fraction) * upload + (1 - fraction) * remote
    return cost, local + up1 * upload - remote


def solve_fraction(
    fraction: Number,
    y: Number,
    price_b: Number,
    price_f: Number,
    c: tuple[Number, ...],
    k: tuple[float, ...],
    x_full: Number,
    t: Number,
    x: Number,
    p_near: Number,
) -> tuple[Number, ...]:
    """Solves the priced problem in (b, F, p) for a given φ, any score weights.

    t, x and, where the score counts power, p are those of a φ nearby, or any.

    Returns:
        benefit, its derivative by φ, cost, t, x, p, b, F, ln(1 + x), marginal value of
        b, −d ln b / d ln (its price).
    """
    wt, w1, w2, wp, wb, wc, wo = k
    zero, one = 0 * fraction, 0 * fraction + 1
    p_min, p_max = zero, one
    snr, e = c[3], c[4]
    if wp > 0:
        p_min = best_credited_power(
            fraction, y, price_b, price_f, c, k, x_full, t, x, p_near
        )
        p_max = p_min
        x_full = snr_at_full_band(snr, wt, e, p_min, p_max)
    t, x, p, b, F, log1p_x, marginal, slope_b = solve_shares(
        fraction, p_max, y, price_b, price_f, c, k, p_min, p_max, x_full, t, x
    )
    cost, cost_slope = pair_cost(fraction, p, b, F, log1p_x, c, wt)
    quality = wp * p + wb * b + wc * F + wo * (1 - fraction * fraction)
    benefit = w1 * np.log1p(w2 * quality) - y * cost - price_b * b - price_f * F
    slope = -2 * w1 * w2 * wo * fraction / (1 + w2 * quality) - y * cost_slope
    return benefit, slope, cost, t, x, p, b, F, log1p_x, marginal, slope_b


def best_credited_power(
    fraction: Number,
    y: Number,
    price_b: Number,
    price_f: Number,
    c: tuple[Number, ...],
    k: tuple[float, ...],
    x_full: Number,
    t: Number,
    x: Number,
    p_near: Number,
) -> Number:
    """The best power where the score counts it: between the cheapest power and 1.

    The benefit is concave, then convex in p: a local maximum inside or the end. A grid
    brackets it, bisection of the slope finishes.
    """
    zero, one = 0 * fraction, 0 * fraction + 1
    at = (fraction, y, price_b, price_f, c, k)
    best = one
    best_value, _, t = credited_power_slope(one, *at, t)
    # Around the best power for a φ nearby, else between the neighbours on a grid.
    low, high = p_near / _NEAR_POWER, np.minimum(p_near * _NEAR_POWER, 1.0)
    low = np.maximum(low, _TINY)
    _, f_left, t = credited_power_slope(low, *at, t)
    _, f_right, t = credited_power_slope(high, *at, t)
    near = (f_left > 0) & (f_right < 0)
    if not every(near):
        cheapest = solve_shares(
            fraction, zero, y, price_b, price_f, c, k, zero, one, x_full, t, x
        )[2]
        n_grid = 8
        best_index = zero + n_grid
        for i in range(n_grid):
            p = cheapest * (1 / cheapest) ** (i / n_grid)
            value, _, t = credited_power_slope(p, *at, t)
            better = value > best_value
            best_value = select(better, value, best_value)
            best = select(better, p, best)
            best_index = select(better, zero + i, best_index)
        before, after = (
            np.maximum(best_index - 1, 0),
            np.minimum(best_index + 1, n_grid),
        )
        low = select(near, low, cheapest * (1 / cheapest) ** (before / n_grid))
        high = select(near, high, cheapest * (1 / cheapest) ** (after / n_grid))
        _, f_left, t = credited_power_slope(low, *at, t)
        _, f_right, t = credited_power_slope(high, *at, t)
    # The slope falls through zero between the neighbours: Illinois, in ln p.
    left, right = np.log(low), np.log(high)
    inside = (f_left > 0) & (f_right < 0)
    side, before, p, value = zero, left, best, best_value
    for _ in range(60):
        drop = select(inside, f_left - f_right, 1.0)
        guess = (right * f_left - left * f_right) / drop
        guess = select(inside, np.minimum(np.maximum(guess, left), right), left)
        p = np.exp(guess)
        value, slope, t = credited_power_slope(p, *at, t)
        rising = slope > 0
        f_right = select(rising & (side > 0), f_right / 2, f_right)
        f_left = select(~rising & (side < 0), f_left / 2, f_left)
        f_left, left = select(rising, slope, f_left), select(rising, guess, left)
        f_right, right = select(rising, f_right, slope), select(rising, right, guess)
        side = select(rising, zero + 1, zero - 1)
        moved = np.abs(guess - before)
        before = guess
        if every((moved <= 1e-10) | (right - left <= 1e-10) | ~inside | (slope == 0)):
            break
    return select(inside & (value > best_value), p, best)


def credited_power_slope(
    p: Number,
    fraction: Number,
    y: Number,
    price_b: Number,
    price_f: Number,
    c: tuple[Number, ...],
    k: tuple[float, ...],
    t: Number,
) -> tuple[Number, Number, Number]:
    """Benefit at a given power, its derivative by it, and t there; t is a start."""
    wt, w1, w2, wp, wb, wc, wo = k
    snr, e = c[3], c[4]
    x_full = snr * p
    t, x, _, b, F, log1p_x, _, _ = solve_shares(
        fraction, p, y, price_b, price_f, c, k, p, p, x_full, t, x_full
    )
    cost, _ = pair_cost(fraction, p, b, F, log1p_x, c, wt)
    quality = wp * p + wb * b + wc * F + wo * (1 - fraction * fraction)
    benefit = w1 * np.log1p(w2 * quality) - y * cost - price_b * b - price_f * F
    per_rate = y * (c[1] + c[2] * fraction) / (b * log1p_x)
    slope = w1 * w2 * wp / (1 + w2 * quality) - per_rate * (
        e - (wt + e * p) * (x / p) / ((1 + x) * log1p_x)
    )
    return benefit, slope, t


def solve_interval(
    low: Number,
    high: Number,
    y: Number,
    price_b: Number,
    price_f: Number,
    c: tuple[Number, ...],
    k: tuple[float, ...],
    x_full: Number,
) -> tuple[Number, ...]:
    """Solves the priced problem for φ in [low, high]: a local maximum, or an end.

    Returns:
        φ, then what `solve_fraction` returns there.
    """
    start = 0 * low + 0.2
    middle = halfway(low, high)
    at = (y, price_b, price_f, c, k, x_full)
    a = solve_fraction(low, *at, start, x_full, start)
    if every(low == high):
        return (low, *a)
    m = solve_fraction(middle, *at, a[3], a[4], a[5])
    z = solve_fraction(high, *at, m[3], m[4], m[5])
    # Where the slope falls through zero the answer is the root: Illinois.
    first = (a[1] > 0) & (m[1] <= 0)
    inside = first | ((m[1] > 0) & (z[1] < 0))
    take_high = z[0] > a[0]
    end = choose(take_high, z, a)
    fraction = select(take_high, high, low)
    end_fraction = fraction
    best = end
    if every(~inside):
        return (fraction, *best)
    left, right = select(first, low, middle), select(first, middle, high)
    f_left, f_right = select(first, a[1], m[1]), select(first, m[1], z[1])
    side = 0 * low
    for _ in range(60):
        drop = select(inside, f_left - f_right, 1.0)
        guess = (right * f_left - left * f_right) / drop
        guess = select(inside, np.minimum(np.maximum(guess, left), right), fraction)
        now = solve_fraction(guess, *at, best[3], best[4], best[5])
        rising = now[1] > 0
        f_right = select(rising & (side > 0), f_right / 2, f_right)
        f_left = select(~rising & (side < 0), f_left / 2, f_left)
        f_left, left = select(rising, now[1], f_left), select(rising, guess, left)
        f_right, right = select(rising, f_right, now[1]), select(rising, right, guess)
        side = select(rising, side * 0 + 1, side * 0 - 1)
        moved = np.abs(guess - fraction)
        fraction = guess
        best = now
        if every((moved <= 1e-9) | (right - left <= 1e-9) | ~inside | (now[1] == 0)):
            break
    take_end = inside & (end[0] > best[0])
    fraction = select(take_end, end_fraction, fraction)
    return (fraction, *choose(take_end, end, best))


def halfway(low: Number, high: Number) -> Number:
    """The φ between two that is halfway in sqrt(1 − φ), in which benefits are smooth.

    The best server frequency, and with it the rent, goes with that root.
    """
    root = (np.sqrt(1 - low) + np.sqrt(1 - high)) / 2
    return np.minimum(np.maximum(1 - root * root, low), high)


def choose(
    condition: Number, yes: tuple[Number, ...], no: tuple[Number, ...]
) -> tuple[Number, ...]:
    """`select` for the eleven results of `solve_fraction`."""
    return (
        select(condition, yes[0], no[0]),
        select(condition, yes[1], no[1]),
        select(condition, yes[2], no[2]),
        select(condition, yes[3], no[3]),
        select(condition, yes[4], no[4]),
        select(condition, yes[5], no[5]),
        select(condition, yes[6], no[6]),
        select(condition, yes[7], no[7]),
        select(condition, yes[8], no[8]),
        select(condition, yes[9], no[9]),
        select(condition, yes[10], no[10]),
    )


def solve_option(
    low: Number,
    high: Number,
    y: Number,
    price_b: Number,
    price_f: Number,
    c: tuple[Number, ...],  # with the x of the full band as its ninth
    k: tuple[float, ...],
) -> tuple[Number, ...]:
    """Solves the priced problem for φ in [low, high], with second derivatives.

    Returns:
        benefit, cost, φ, p, b, F and the second derivatives of the benefit by
        (λ, λ), (λ, μ), (μ, μ), (λ, y) and (μ, y).
    """
    c8 = (c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7])
    fraction, benefit, _, cost, t, x, p, b, F, log1p_x, marginal, slope_b = (
        solve_interval(low, high, y, price_b, price_f, c8, k, c[8])
    )
    return (
        benefit,
        cost,
        fraction,
        p,
        b,
        F,
        *curvature(
            fraction, low, high, y, c8, k, t, x, p, b, F, log1p_x, marginal, slope_b
        ),
    )


def curvature(
    fraction: Number,
    low: Number,
    high: Number,
    y: Number,
    c: tuple[Number, ...],
    k: tuple[float, ...],
    t: Number,
    x: Number,
    p: Number,
    b: Number,
    F: Number,
    log1p_x: Number,
    marginal: Number,
    slope_b: Number,
) -> tuple[Number, Number, Number, Number, Number]:
    """Second derivatives of the benefit by the prices and y, at the maximum.

    By the implicit function theorem they are Jᵀ Q⁻¹ J, with Q = −∇² of the benefit in
    the free ones of (b, F, φ) and J the derivatives of its gradient.
    """
    _, _, up1, _, e, cs, es, cd = c
    wt, w1, w2, _, wb, wc, wo = k
    bow = w1 * (w2 * t) * (w2 * t)  # −v'' by q
    rest = y * (1 - fraction)
    free_b, free_f = slope_b > 0, F < 1
    free_phi = (fraction > low) & (fraction < high)
    q_bb = bow * wb * wb + marginal / (select(free_b, slope_b, 1.0) * b)
    q_ff = bow * wc * wc + 2 * rest * es + 2 * rest * cs / (F * F * F)
    q_bf = bow * wb * wc
    rise = 2 * wo * fraction  # −∂q/∂φ
    rate = (wt + e * p) * remainder(x, log1p_x) / ((1 + x) * log1p_x * log1p_x)
    server = cs / (F * F) - 2 * es * F
    q_pp = 2 * w1 * w2 * t * wo + bow * rise * rise
    q_bp = -bow * wb * rise - y * (up1 * rate - cd) / (b * b)
    q_fp = -bow * wc * rise + y * server
    _, cost_slope = pair_cost(fraction, p, b, F, log1p_x, c, wt)
    j_b, j_f, j_p = marginal / y, (1 - fraction) * server, -cost_slope

    # Free b and F first; where b or F is not free its row becomes the unit's.
    q_bb, q_ff = select(free_b, q_bb, 1.0), select(free_f, q_ff, 1.0)
    q_bf = select(free_b & free_f, q_bf, 0.0)
    q_bp, q_fp = select(free_b, q_bp, 0.0), select(free_f, q_fp, 0.0)
    j_b, j_f = select(free_b, j_b, 0.0), select(free_f, j_f, 0.0)
    one_b, one_f = select(free_b, 1.0, 0.0), select(free_f, 1.0, 0.0)
    # Never singular: it would be where neither share costs anything.
    det = np.maximum(q_bb * q_ff - q_bf * q_bf, 1e-12 * q_bb * q_ff)
    i_bb, i_ff, i_bf = q_ff / det, q_bb / det, -q_bf / det
    u_b, u_f = i_bb * q_bp + i_bf * q_fp, i_bf * q_bp + i_ff * q_fp
    schur = q_pp - u_b * q_bp - u_f * q_fp
    use_phi = free_phi & (schur > 1e-9 * q_pp)
    w = select(use_phi, 1 / select(use_phi, schur, 1.0), 0.0)
    h_bb = one_b * (i_bb + w * u_b * u_b)
    h_bf = one_b * one_f * (i_bf + w * u_b * u_f)
    h_ff = one_f * (i_ff + w * u_f * u_f)
    lift = w * (u_b * j_b + u_f * j_f - j_p)
    h_by = -one_b * (i_bb * j_b + i_bf * j_f + u_b * lift)
    h_fy = -one_f * (i_bf * j_b + i_ff * j_f + u_f * lift)
    return h_bb, h_bf, h_ff, h_by, h_fy


def share_bounds(
    fraction: Number,
    t: Number,
    y: Number,
    price_b: Number,
    price_f: Number,
    c: tuple[Number, ...],
    k: tuple[float, ...],
    p_min: Number,
    p_max: Number,
    x_full: Number,
    x: Number,
) -> Number:
    """An upper bound of the priced problem at given φ and t, without v's constants.

    Each of the two problems is concave, so the tangent at any point bounds it; at the
    root of the slope the bound is the maximum. No root need be exact.
    """
    local, up0, up1, snr, e, cs, es, cd = c
    wt, w1, w2, _, wb, wc, _ = k
    up, rest = y * (up0 + up1 * fraction), y * (1 - fraction)
    net_b = price_b - w1 * w2 * wb * t
    net_f = price_f - w1 * w2 * wc * t
    x, b, p, log1p_x, _, _ = solve_bandwidth(
        net_b, up, rest * cd, snr, wt, e, p_min, p_max, x_full, x
    )
    rate = (wt + e * p) * remainder(x, log1p_x) / ((1 + x) * log1p_x * log1p_x)
    value = -net_b * b - up * (wt + e * p) / (b * log1p_x) - rest * cd / b
    slope = (up * rate + rest * cd) / (b * b) - net_b
    value = value + np.maximum(slope * (1 - b), -slope * b)
    F = solve_compute(net_f, rest * cs, rest * es)
    server = -net_f * F - rest * cs / F - rest * es * F * F
    slope = rest * cs / (F * F) - 2 * rest * es * F - net_f
    server = server + np.maximum(slope * (1 - F), -slope * F)
    total = value + server - y * local * fraction
    size = np.abs(net_b) + np.abs(net_f) + np.abs(total) + y * local
    return total + 1e-11 * size  # more than rounding can take away


def interval_bound(
    low: Number,
    high: Number,
    p_min: Number,
    p_max: Number,
    y: Number,
    price_b: Number,
    price_f: Number,
    c: tuple[Number, ...],
    k: tuple[float, ...],
) -> tuple[Number, Number, Number]:
    """An upper bound of the priced problem for φ and p in intervals: docs/bounds.md.

    Returns:
        the bound, how much of its slack the interval of p may account for, and the
        benefit that halfway through φ is attained.
    """
    wt, w1, w2, wp, wb, wc, wo = k
    c8 = (c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7])
    x_full = c[8]
    if wp > 0:
        x_full = snr_at_full_band(c[3], wt, c[4], p_min, p_max)
    middle = halfway(low, high)
    start = 0 * low + 0.2
    t, x, p, b, F, log1p_x, _, _ = solve_shares(
        middle, p_max, y, price_b, price_f, c8, k, p_min, p_max, x_full, start, x_full
    )
    left = share_bounds(low, t, y, price_b, price_f, c8, k, p_min, p_max, x_full, x)
    right = share_bounds(high, t, y, price_b, price_f, c8, k, p_min, p_max, x_full, x)
    # The chord less a parabola, at its highest.
    slope = (right - left) / np.maximum(high - low, 1e-300)
    bow = w1 * w2 * t * wo
    best = slope / np.maximum(2 * bow, 1e-300)
    best = np.minimum(np.maximum(best, low), high)
    credit = w1 * w2 * t * wp
    top = left + slope * (best - low) - bow * best * best
    value = top + bow + credit * p_max + w1 * (t - 1 - np.log(t))
    cost, _ = pair_cost(middle, p, b, F, log1p_x, c8, wt)
    quality = wp * p + wb * b + wc * F + wo * (1 - middle * middle)
    attained = w1 * np.log1p(w2 * quality) - y * cost - price_b * b - price_f * F
    value = value + 1e-11 * (w1 + bow + credit)
    return value, credit * (p_max - p_min), attained


#: What a compiled loop needs to know of this module, besides `select` and `every`.
SCALAR = (
    *(remainder, power_on_curve, snr_at_full_band, solve_bandwidth, solve_compute),
    *(solve_shares, fill, pair_cost, solve_fraction, best_credited_power),
    *(credited_power_slope, solve_interval, choose, solve_option, curvature),
    *(share_bounds, interval_bound, halfway),
)
