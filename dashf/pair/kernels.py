"""The priced problem of one pair, in functions of numbers that numba compiles.

`dashf.pair.backend` runs them over options. They are plain Python too, for reading and
for stepping through.

With the tuple c of a pair's coefficients (`coefficients.Pairs`) and k of constants
(`coefficients.score_constants`) the problem is, for a ratio y and prices λ and μ,

    max over φ, p, b, F of  v − y c − λ b − μ F.

What makes it easy is in `docs/bounds.md`. Briefly: for given φ and b the best power is
on a curve with x = snr p/b as its parameter; along it the upload cost is convex in b;
so for given φ the problem is concave in (b, F), and with t = 1/(1 + ω2 q), the slope
of the logarithm, it falls apart into one equation for b, one for F and one for t.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Number = float

_SMALL = 0.02  # below it the remainder takes its series
_TINY = 1e-30
_CLOSE = 1e-9  # Newton steps this small, in logarithms, end an iteration
_MISSING = 1e-6  # quality, relative, by which t may miss its equation
_NEAR_POWER = 1.3  # factor within which the best power is sought first
_POWERS = 8  # of the grid over powers
_START = 0.2  # of t and of p, where nothing nearby is known
_BESIDE = 4e-9  # relative, from t to where demand has jumped


def remainder(x: Number, log1p_x: Number) -> Number:
    """(1 + x) ln(1 + x) − x, about x²/2, without cancellation."""
    z = min(x, _SMALL)
    series = 1 / 56 - z * (1 / 72 - z / 90)
    series = 1 / 20 - z * (1 / 30 - z * (1 / 42 - z * series))
    series = z * z * (1 / 2 - z * (1 / 6 - z * (1 / 12 - z * series)))
    return series if x < _SMALL else (1 + x) * log1p_x - x


def power_on_curve(
    x: Number, rest: Number, wt: Number, e: Number, p_min: Number, p_max: Number
) -> Number:
    """The best power share where the signal to noise is x; `rest` = remainder(x)."""
    return max(p_min, p_max * (wt * x / max(p_max * e * rest, wt * x)))


def snr_at_full_band(
    snr: Number, wt: Number, e: Number, p_min: Number, p_max: Number
) -> Number:
    """The x at which the curve takes the whole band: snr p(x)/x = 1."""
    goal = wt * snr / max(e, _TINY * wt)  # inside the power range: rest = goal
    z = np.log(np.sqrt(2 * goal) + goal / (1 + np.log1p(goal)))
    for _ in range(40):
        x = np.exp(z)
        log1p_x = np.log1p(x)
        rest = remainder(x, log1p_x)
        step = np.log(rest / goal) * rest / (x * log1p_x)
        z = z - step
        if abs(step) < 1e-13:
            break
    x = np.exp(z)
    return min(max(x, snr * p_min), snr * p_max)


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
    z = max(np.log(x_start), z_full)
    positive = price > 0
    log_price = np.log(price) if positive else 0.0
    for _ in range(60):
        x = np.exp(z)
        log1p_x = np.log1p(x)
        rest = remainder(x, log1p_x)
        p = power_on_curve(x, rest, wt, e, p_min, p_max)
        b = snr * p / x
        rate = (wt + e * p) * rest / ((1 + x) * log1p_x * log1p_x)
        marginal = (up * rate + down) / (b * b)
        inside = (p < p_max) and (p > p_min)
        growth = x * log1p_x / rest  # d ln rest / d ln x, in [1, 2]
        edge = 1 + growth - 2 * x / ((1 + x) * log1p_x)
        share = x / (1 + x)
        slope_rate = -share / log1p_x if inside else edge - 1 - share
        slope_b = growth if inside else 1.0  # −d ln b / d ln x
        slope = slope_rate * up * rate / (up * rate + down) + 2 * slope_b
        step = (np.log(marginal) - log_price) / slope
        z_next = min(max(z - step, z_full), z_full + 600) if positive else z_full
        moved = abs(z_next - z)
        z = z_next
        if moved < _CLOSE:
            break
    free = positive and (z > z_full)
    return x, b, p, log1p_x, marginal, (slope_b / slope if free else 0.0)


def solve_compute(price: Number, delay: Number, energy: Number) -> Number:
    """Maximises −price F − delay/F − energy F² over F in (0, 1].

    The root of 2 energy F³ + price F² = delay, by Newton steps that fall to it.
    """
    twice = 2 * max(energy, 1e-200)
    if twice + price <= delay:  # the slope at F = 1 is not negative
        return 1.0
    by_energy = np.cbrt(delay / twice)
    if price > 0:
        F = min(by_energy, np.sqrt(delay / max(price, _TINY)), 1.0)
    else:
        F = min(by_energy - price / twice, 1.0)
    for _ in range(50):
        gap = (twice * F + price) * F * F - delay
        step = gap / ((3 * twice * F + 2 * price) * F)
        F = max(F - step, 0.1 * F)
        if abs(step) <= 1e-8 * F:
            break
    return min(F, 1.0)


def solve_shares(
    phi: Number,
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
    wt, w1, w2, wp, wb, wc, wo = k
    up, rest = y * (up0 + up1 * phi), y * (1 - phi)
    base = wp * credit + wo * (1 - phi * phi)
    low = (1 - 1e-9) / (1 + w2 * (base + wb + wc))
    high = (1 + 1e-9) / (1 + w2 * base)
    t = min(max(t, low), high)
    for _ in range(60):
        net_b = price_b - w1 * w2 * wb * t
        net_f = price_f - w1 * w2 * wc * t
        x, b, p, log1p_x, marginal, slope_b = solve_bandwidth(
            net_b, up, rest * cd, snr, wt, e, p_min, p_max, x_full, x
        )
        F = solve_compute(net_f, rest * cs, rest * es)
        quality = base + wb * b + wc * F
        excess = t * (1 + w2 * quality) - 1
        if excess > 0:
            high = t
        else:
            low = t
        rise_b = slope_b * b / net_b if slope_b > 0 else 0.0
        bend = 2 * rest * es + 2 * rest * cs / (F * F * F)
        rise_f = 1 / bend if F < 1 else 0.0
        slope = (
            1 + w2 * quality + t * w2 * w1 * w2 * (wb * wb * rise_b + wc * wc * rise_f)
        )
        newton = t - excess / slope
        outside = newton <= low or newton >= high
        t_next = (low + high) / 2 if outside else newton
        done = abs(t_next - t) <= 1e-9 * t
        t = t_next
        if done:
            break
    missing = (1 / t - 1) / w2 - quality
    if abs(missing) <= _MISSING * (quality + 1 / w2):
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
    x = max(snr_at_full_band(snr / b, wt, e, p_min, p_max), x_full)
    log1p_x = np.log1p(x)
    rest_x = remainder(x, log1p_x)
    p = power_on_curve(x, rest_x, wt, e, p_min, p_max)
    rate = (wt + e * p) * rest_x / ((1 + x) * log1p_x * log1p_x)
    b = min(snr * p / x, 1.0)
    marginal = (up * rate + rest * cd) / (b * b)
    x, b, p, log1p_x, marginal, slope_b = solve_bandwidth(
        marginal, up, rest * cd, snr, wt, e, p_min, p_max, x_full, x
    )
    return t, x, p, b, F, log1p_x, marginal, slope_b


def fill(wanted: Number, weight: Number, low: Number, high: Number) -> Number:
    """The share between two demands whose part of the score is what is wanted."""
    share = wanted / max(weight, _TINY)
    return min(max(share, min(low, high)), high)


def pair_cost(
    phi: Any,
    p: Any,
    b: Any,
    F: Any,
    log1p_x: Any,
    c: tuple[Any, ...],
    wt: float,
) -> tuple[Any, Any]:
    """Returns a pair's cost and its derivative by φ, of numbers or arrays."""
    local, up0, up1, _, e, cs, es, cd = c
    upload = (wt + e * p) / (b * log1p_x)
    remote = cs / F + es * F * F + cd / b
    cost = phi * local + (up0 + up1 * phi) * upload + (1 - phi) * remote
    return cost, local + up1 * upload - remote


def solve_at_split(
    phi: Number,
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
    p_min, p_max = 0.0, 1.0
    snr, e = c[3], c[4]
    if wp > 0:
        p_min = best_credited_power(
            phi, y, price_b, price_f, c, k, x_full, t, x, p_near
        )
        p_max = p_min
        x_full = snr_at_full_band(snr, wt, e, p_min, p_max)
    t, x, p, b, F, log1p_x, marginal, slope_b = solve_shares(
        phi, p_max, y, price_b, price_f, c, k, p_min, p_max, x_full, t, x
    )
    cost, cost_slope = pair_cost(phi, p, b, F, log1p_x, c, wt)
    quality = wp * p + wb * b + wc * F + wo * (1 - phi * phi)
    benefit = w1 * np.log1p(w2 * quality) - y * cost - price_b * b - price_f * F
    slope = -2 * w1 * w2 * wo * phi / (1 + w2 * quality) - y * cost_slope
    return benefit, slope, cost, t, x, p, b, F, log1p_x, marginal, slope_b


def best_credited_power(
    phi: Number,
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
    at = (phi, y, price_b, price_f, c, k)
    best = 1.0
    best_value, _, t = credited_power_slope(best, *at, t)
    # Around the best power for a φ nearby, else between the neighbours on a grid.
    low, high = max(p_near / _NEAR_POWER, _TINY), min(p_near * _NEAR_POWER, 1.0)
    _, f_left, t = credited_power_slope(low, *at, t)
    _, f_right, t = credited_power_slope(high, *at, t)
    if not (f_left > 0 and f_right < 0):
        cheapest = solve_shares(
            phi, 0.0, y, price_b, price_f, c, k, 0.0, 1.0, x_full, t, x
        )[2]
        best_index = _POWERS
        for i in range(_POWERS):
            p = cheapest * (1 / cheapest) ** (i / _POWERS)
            value, _, t = credited_power_slope(p, *at, t)
            if value > best_value:
                best_value, best, best_index = value, p, i
        before, after = max(best_index - 1, 0), min(best_index + 1, _POWERS)
        low = cheapest * (1 / cheapest) ** (before / _POWERS)
        high = cheapest * (1 / cheapest) ** (after / _POWERS)
        _, f_left, t = credited_power_slope(low, *at, t)
        _, f_right, t = credited_power_slope(high, *at, t)
        if not (f_left > 0 and f_right < 0):
            return best
    # The slope falls through zero between the neighbours: Illinois, in ln p.
    left, right = np.log(low), np.log(high)
    side, last, p, value = 0, left, best, best_value
    for _ in range(60):
        guess = (right * f_left - left * f_right) / (f_left - f_right)
        guess = min(max(guess, left), right)
        p = np.exp(guess)
        value, slope, t = credited_power_slope(p, *at, t)
        if slope > 0:
            f_right = f_right / 2 if side > 0 else f_right
            f_left, left, side = slope, guess, 1
        else:
            f_left = f_left / 2 if side < 0 else f_left
            f_right, right, side = slope, guess, -1
        moved, last = abs(guess - last), guess
        if moved <= 1e-10 or right - left <= 1e-10 or slope == 0:
            break
    return p if value > best_value else best


def credited_power_slope(
    p: Number,
    phi: Number,
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
        phi, p, y, price_b, price_f, c, k, p, p, x_full, t, x_full
    )
    cost, _ = pair_cost(phi, p, b, F, log1p_x, c, wt)
    quality = wp * p + wb * b + wc * F + wo * (1 - phi * phi)
    benefit = w1 * np.log1p(w2 * quality) - y * cost - price_b * b - price_f * F
    per_rate = y * (c[1] + c[2] * phi) / (b * log1p_x)
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
        φ, then what `solve_at_split` returns there.
    """
    at = (y, price_b, price_f, c, k, x_full)
    a = solve_at_split(low, *at, _START, x_full, _START)
    if low == high:
        return (low, *a)
    middle = halfway(low, high)
    m = solve_at_split(middle, *at, a[3], a[4], a[5])
    z = solve_at_split(high, *at, m[3], m[4], m[5])
    end, end_phi = (z, high) if z[0] > a[0] else (a, low)
    # Where the slope falls through zero the answer is the root: Illinois.
    if a[1] > 0 and m[1] <= 0:
        left, right, f_left, f_right = low, middle, a[1], m[1]
    elif m[1] > 0 and z[1] < 0:
        left, right, f_left, f_right = middle, high, m[1], z[1]
    else:
        return (end_phi, *end)
    side, phi, now = 0, end_phi, end
    for _ in range(60):
        guess = (right * f_left - left * f_right) / (f_left - f_right)
        guess = min(max(guess, left), right)
        now = solve_at_split(guess, *at, now[3], now[4], now[5])
        if now[1] > 0:
            f_right = f_right / 2 if side > 0 else f_right
            f_left, left, side = now[1], guess, 1
        else:
            f_left = f_left / 2 if side < 0 else f_left
            f_right, right, side = now[1], guess, -1
        moved, phi = abs(guess - phi), guess
        if moved <= 1e-9 or right - left <= 1e-9 or now[1] == 0:
            break
    if end[0] > now[0]:
        return (end_phi, *end)
    return (phi, *now)


def halfway(low: Number, high: Number) -> Number:
    """The φ between two that is halfway in sqrt(1 − φ), in which benefits are smooth.

    The best server frequency, and with it the rent, goes with that root.
    """
    root = (np.sqrt(1 - low) + np.sqrt(1 - high)) / 2
    return min(max(1 - root * root, low), high)


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
    phi, benefit, _, cost, t, x, p, b, F, log1p_x, marginal, slope_b = solve_interval(
        low, high, y, price_b, price_f, c8, k, c[8]
    )
    return (
        benefit,
        cost,
        phi,
        p,
        b,
        F,
        *curvature(phi, low, high, y, c8, k, t, x, p, b, F, log1p_x, marginal, slope_b),
    )


def curvature(
    phi: Number,
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
    rest = y * (1 - phi)
    free_b, free_f = slope_b > 0, F < 1
    free_phi = (phi > low) and (phi < high)
    q_bb = bow * wb * wb + marginal / ((slope_b if free_b else 1.0) * b)
    q_ff = bow * wc * wc + 2 * rest * es + 2 * rest * cs / (F * F * F)
    q_bf = bow * wb * wc
    rise = 2 * wo * phi  # −∂q/∂φ
    rate = (wt + e * p) * remainder(x, log1p_x) / ((1 + x) * log1p_x * log1p_x)
    server = cs / (F * F) - 2 * es * F
    q_pp = 2 * w1 * w2 * t * wo + bow * rise * rise
    q_bp = -bow * wb * rise - y * (up1 * rate - cd) / (b * b)
    q_fp = -bow * wc * rise + y * server
    _, cost_slope = pair_cost(phi, p, b, F, log1p_x, c, wt)
    j_b, j_f, j_p = marginal / y, (1 - phi) * server, -cost_slope

    # Free b and F first; where b or F is not free its row becomes the unit's.
    q_bb, q_ff = (q_bb if free_b else 1.0), (q_ff if free_f else 1.0)
    q_bf = q_bf if free_b and free_f else 0.0
    q_bp, q_fp = (q_bp if free_b else 0.0), (q_fp if free_f else 0.0)
    j_b, j_f = (j_b if free_b else 0.0), (j_f if free_f else 0.0)
    one_b, one_f = (1.0 if free_b else 0.0), (1.0 if free_f else 0.0)
    # Never singular: it would be where neither share costs anything.
    det = max(q_bb * q_ff - q_bf * q_bf, 1e-12 * q_bb * q_ff)
    i_bb, i_ff, i_bf = q_ff / det, q_bb / det, -q_bf / det
    u_b, u_f = i_bb * q_bp + i_bf * q_fp, i_bf * q_bp + i_ff * q_fp
    schur = q_pp - u_b * q_bp - u_f * q_fp
    use_phi = free_phi and (schur > 1e-9 * q_pp)
    w = 1 / schur if use_phi else 0.0
    h_bb = one_b * (i_bb + w * u_b * u_b)
    h_bf = one_b * one_f * (i_bf + w * u_b * u_f)
    h_ff = one_f * (i_ff + w * u_f * u_f)
    lift = w * (u_b * j_b + u_f * j_f - j_p)
    h_by = -one_b * (i_bb * j_b + i_bf * j_f + u_b * lift)
    h_fy = -one_f * (i_bf * j_b + i_ff * j_f + u_f * lift)
    return h_bb, h_bf, h_ff, h_by, h_fy


def share_bounds(
    phi: Number,
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
    up, rest = y * (up0 + up1 * phi), y * (1 - phi)
    net_b = price_b - w1 * w2 * wb * t
    net_f = price_f - w1 * w2 * wc * t
    x, b, p, log1p_x, _, _ = solve_bandwidth(
        net_b, up, rest * cd, snr, wt, e, p_min, p_max, x_full, x
    )
    rate = (wt + e * p) * remainder(x, log1p_x) / ((1 + x) * log1p_x * log1p_x)
    value = -net_b * b - up * (wt + e * p) / (b * log1p_x) - rest * cd / b
    slope = (up * rate + rest * cd) / (b * b) - net_b
    value = value + max(slope * (1 - b), -slope * b)
    F = solve_compute(net_f, rest * cs, rest * es)
    server = -net_f * F - rest * cs / F - rest * es * F * F
    slope = rest * cs / (F * F) - 2 * rest * es * F - net_f
    server = server + max(slope * (1 - F), -slope * F)
    total = value + server - y * local * phi
    size = abs(net_b) + abs(net_f) + abs(total) + y * local
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
    t, x, p, b, F, log1p_x, _, _ = solve_shares(
        middle, p_max, y, price_b, price_f, c8, k, p_min, p_max, x_full, _START, x_full
    )
    left = share_bounds(low, t, y, price_b, price_f, c8, k, p_min, p_max, x_full, x)
    right = share_bounds(high, t, y, price_b, price_f, c8, k, p_min, p_max, x_full, x)
    # The chord less a parabola, at its highest.
    slope = (right - left) / max(high - low, 1e-300)
    bow = w1 * w2 * t * wo
    best = slope / max(2 * bow, 1e-300)
    best = min(max(best, low), high)
    credit = w1 * w2 * t * wp
    top = left + slope * (best - low) - bow * best * best
    value = top + bow + credit * p_max + w1 * (t - 1 - np.log(t))
    cost, _ = pair_cost(middle, p, b, F, log1p_x, c8, wt)
    quality = wp * p + wb * b + wc * F + wo * (1 - middle * middle)
    attained = w1 * np.log1p(w2 * quality) - y * cost - price_b * b - price_f * F
    value = value + 1e-11 * (w1 + bow + credit)
    return value, credit * (p_max - p_min), attained


#: What a compiled loop needs to know of this module.
SCALAR = (
    *(remainder, power_on_curve, snr_at_full_band, solve_bandwidth, solve_compute),
    *(solve_shares, fill, pair_cost, solve_at_split, best_credited_power),
    *(credited_power_slope, solve_interval, solve_option, curvature),
    *(share_bounds, interval_bound, halfway),
)
