"""The priced problem of one pair, in functions of numbers that numba compiles.

`dashf.pair.backend` runs them over options. They are plain Python too, for reading and
for stepping through. At a ratio y and prices λ and μ the problem is

    max over φ, p, b, F of  v − y c − λ b − μ F,

with c and v as in `docs/bounds.md`, whose section 2 says what makes it easy. Briefly:
for given φ and b the best power is on a curve with x = snr p/b as its parameter; along
it the upload cost is convex in b; so for given φ the problem is concave in (b, F), and
with t = 1/(1 + ω2 q), the slope of the logarithm, it falls apart into one equation for
b, one for F and one for t. Near a solution Newton's method on all of it is faster.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dashf.pair.jit import kernel

_SMALL = 0.02  # below it the remainder takes its series
_TINY = 1e-30
_CLOSE = 1e-9  # Newton steps this small, in logarithms, end an iteration
_MISSING = 1e-6  # quality, relative, by which t may miss its equation
_NEAR_POWER = 1.3  # factor within which the best power is sought first
_POWERS = 8  # of the grid over powers
_START = 0.2  # of t and of p, where nothing nearby is known
_BESIDE = 4e-9  # relative, from t to where demand has jumped
_NEARBY_STEPS = 12  # of Newton's method from a solution nearby, then the long way
_NEARBY_CLOSE = 1e-6  # its last step: the error is of the order of the square
_LONGEST = 1.0  # nepers, of b and F in such a step


class Score(NamedTuple):
    """Constants of an objective: ω_t', ω1, ω2, w_p, w_b, w_c, w_o."""

    wt: float
    w1: float
    w2: float
    wp: float
    wb: float
    wc: float
    wo: float


class Pair(NamedTuple):
    """Coefficients of a pair's cost, `coefficients.Pairs`."""

    local: float
    up0: float
    up1: float
    snr: float
    e: float
    cs: float
    es: float
    cd: float
    x_full: float
    move: float


class At(NamedTuple):
    """What is asked for: a ratio and prices."""

    y: float
    band: float  # λ, for the whole band
    compute: float  # μ, for the whole frequency


class Power(NamedTuple):
    """A range of the power, what of it the score counts, x with the whole band."""

    low: float
    high: float
    credit: float
    x_full: float


class Curve(NamedTuple):
    """A point of the curve of cheapest powers, 2 of docs/bounds.md."""

    x: float  # snr p/b
    log1p_x: float
    p: float
    b: float
    marginal: float  # value of b without its price, −∂/∂b of what is paid
    fall: float  # −d ln b / d ln x
    rise: float  # d ln marginal / d ln x


class Shares(NamedTuple):
    """A solution for a given φ."""

    t: float  # 1/(1 + ω2 q)
    x: float
    log1p_x: float
    p: float
    b: float
    F: float
    marginal: float
    elastic: float  # −d ln b / d ln (its net price), 0 at the whole band


#: φ, x and F of a point nearby.
Near = tuple[float, float, float]


class Point(NamedTuple):
    """Shares at a φ and what they are worth."""

    phi: float
    benefit: float
    slope: float  # of the benefit by φ
    cost: float
    shares: Shares


class Hessian(NamedTuple):
    """−∇² of the benefit by b, F and φ."""

    bb: float
    ff: float
    bf: float
    pp: float
    bp: float
    fp: float


class Response(NamedTuple):
    """The priced maximum of an option; arrays of one shape `[...]` in `backend`."""

    benefit: float
    cost: float
    phi: float
    power: float  # share of the user's maximum
    band: float  # share of the server's band
    compute: float  # share of the server's frequency
    # Second derivatives of the benefit, by λ and λ, λ and μ, μ and μ, λ and y, μ and y.
    bend_bb: float
    bend_bf: float
    bend_ff: float
    bend_by: float
    bend_fy: float


@kernel
def remainder(x: float, log1p_x: float) -> float:
    """(1 + x) ln(1 + x) − x, about x²/2, without cancellation."""
    if x >= _SMALL:
        return (1 + x) * log1p_x - x
    series = 1 / 56 - x * (1 / 72 - x / 90)
    series = 1 / 20 - x * (1 / 30 - x * (1 / 42 - x * series))
    return x * x * (1 / 2 - x * (1 / 6 - x * (1 / 12 - x * series)))


@kernel
def x_of_band(snr: float, wt: float, e: float, low: float, high: float) -> float:
    """The x at which the curve takes the whole band: snr p(x)/x = 1, by (2.1)."""
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
    return min(max(np.exp(z), snr * low), snr * high)


@kernel
def on_curve(
    x: float, up: float, down: float, c: Pair, k: Score, power: Power
) -> Curve:
    """The cheapest way to upload at x: up (wt + e p)/(b ln(1 + x)) + down/b, (2.1)."""
    log1p_x = np.log1p(x)
    rest = remainder(x, log1p_x)
    p = k.wt * x / max(power.high * c.e * rest, k.wt * x)
    p = max(power.low, power.high * p)
    b = c.snr * p / x
    rate = (k.wt + c.e * p) * rest / ((1 + x) * log1p_x * log1p_x)
    growth, share = x * log1p_x / rest, x / (1 + x)  # d ln rest / d ln x, in [1, 2]
    if power.low < p < power.high:
        fall, rise = growth, -share / log1p_x
    else:
        fall, rise = 1.0, growth - share - 2 * share / log1p_x
    rise = rise * up * rate / (up * rate + down) + 2 * fall
    return Curve(x, log1p_x, p, b, (up * rate + down) / (b * b), fall, rise)


@kernel
def solve_bandwidth(
    price: float,  # net: what is paid less what the score pays for it
    up: float,  # y (up0 + up1 φ)
    down: float,  # y (1 − φ) cd
    c: Pair,
    k: Score,
    power: Power,
    x_start: float,
) -> Curve:
    """Maximises −price b − up (wt + e p)/(b ln(1 + x)) − down/b over b in (0, 1]."""
    if price <= 0:
        return on_curve(power.x_full, up, down, c, k, power)
    z_full, log_price = np.log(power.x_full), np.log(price)
    z = max(np.log(x_start), z_full)
    for _ in range(60):
        point = on_curve(np.exp(z), up, down, c, k, power)
        step = (np.log(point.marginal) - log_price) / point.rise
        z_next = min(max(z - step, z_full), z_full + 600)
        moved, z = abs(z_next - z), z_next
        if moved < _CLOSE:
            break
    return point


@kernel
def elasticity(point: Curve, power: Power) -> float:
    """−d ln b / d ln (its net price); 0 at the whole band."""
    return point.fall / point.rise if point.x > power.x_full * (1 + 1e-12) else 0.0


@kernel
def solve_compute(price: float, delay: float, energy: float) -> float:
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


@kernel
def solve_shares(
    phi: float, at: At, c: Pair, k: Score, power: Power, t: float, x: float
) -> Shares:
    """Solves the priced problem in (b, F, p) for a given φ; t and x are starts.

    The root of t (1 + ω2 q(t)) = 1, (2.2): it rises with t.
    """
    up, rest = at.y * (c.up0 + c.up1 * phi), at.y * (1 - phi)
    base = k.wp * power.credit + k.wo * (1 - phi * phi)
    low = (1 - 1e-9) / (1 + k.w2 * (base + k.wb + k.wc))
    high = (1 + 1e-9) / (1 + k.w2 * base)
    worth = k.w1 * k.w2  # of quality, times t
    t = min(max(t, low), high)
    for _ in range(60):
        net_b, net_f = at.band - worth * k.wb * t, at.compute - worth * k.wc * t
        band = solve_bandwidth(net_b, up, rest * c.cd, c, k, power, x)
        F = solve_compute(net_f, rest * c.cs, rest * c.es)
        x, elastic = band.x, elasticity(band, power)
        quality = base + k.wb * band.b + k.wc * F
        excess = t * (1 + k.w2 * quality) - 1
        if excess > 0:
            high = t
        else:
            low = t
        rise_b = elastic * band.b / net_b if elastic > 0 else 0.0
        bend = 2 * rest * c.es + 2 * rest * c.cs / (F * F * F)
        rise_f = 1 / bend if F < 1 else 0.0
        rise = worth * (k.wb * k.wb * rise_b + k.wc * k.wc * rise_f)
        newton = t - excess / (1 + k.w2 * quality + t * k.w2 * rise)
        t_next = newton if low < newton < high else (low + high) / 2
        moved, t = abs(t_next - t), t_next
        if moved <= 1e-9 * t:
            break
    missing = (1 / t - 1) / k.w2 - quality
    if abs(missing) > _MISSING * (quality + 1 / k.w2):
        # Where a share hardly costs anything its demand jumps with t, and no t solves
        # the equation: what does lies between the demands beside it, (2.3).
        below, above = (1 - _BESIDE) * worth * t, (1 + _BESIDE) * worth * t
        F_low = solve_compute(at.compute - k.wc * below, rest * c.cs, rest * c.es)
        F_high = solve_compute(at.compute - k.wc * above, rest * c.cs, rest * c.es)
        to = (up, rest * c.cd, c, k, power, x)
        b_low = solve_bandwidth(at.band - k.wb * below, *to).b
        b_high = solve_bandwidth(at.band - k.wb * above, *to).b
        wanted = (1 / t - 1) / k.w2 - base
        F = fill(wanted - k.wb * b_low, k.wc, F_low, F_high)
        b = fill(wanted - k.wc * F, k.wb, b_low, b_high)
        x = max(x_of_band(c.snr / b, k.wt, c.e, power.low, power.high), power.x_full)
        band = on_curve(x, up, rest * c.cd, c, k, power)
        elastic = elasticity(band, power)
    return Shares(
        t, x, band.log1p_x, band.p, min(band.b, 1.0), F, band.marginal, elastic
    )


@kernel
def fill(wanted: float, weight: float, low: float, high: float) -> float:
    """The share between two demands whose part of the score is what is wanted."""
    share = wanted / max(weight, _TINY)
    return min(max(share, min(low, high)), high)


@kernel
def worth_of(phi: float, s: Shares, at: At, c: Pair, k: Score) -> Point:
    """The benefit, v − y c − λ b − μ F, and its derivative by φ."""
    upload = (k.wt + c.e * s.p) / (s.b * s.log1p_x)
    remote = c.cs / s.F + c.es * s.F * s.F + c.cd / s.b
    cost = phi * c.local + (c.up0 + c.up1 * phi) * upload + (1 - phi) * remote + c.move
    quality = k.wp * s.p + k.wb * s.b + k.wc * s.F + k.wo * (1 - phi * phi)
    rent = at.band * s.b + at.compute * s.F
    benefit = k.w1 * np.log1p(k.w2 * quality) - at.y * cost - rent
    slope = -2 * k.w1 * k.w2 * k.wo * phi / (1 + k.w2 * quality)
    slope = slope - at.y * (c.local + c.up1 * upload - remote)
    return Point(phi, benefit, slope, cost, s)


@kernel
def hessian(phi: float, s: Shares, bend: float, at: At, c: Pair, k: Score) -> Hessian:
    """−∇² of the benefit; `bend` is −∂ marginal/∂b."""
    bow = k.w1 * (k.w2 * s.t) * (k.w2 * s.t)  # −v'' by q
    y, rest, lost = at.y, at.y * (1 - phi), 2 * k.wo * phi  # lost: −∂q/∂φ
    rate = (k.wt + c.e * s.p) * remainder(s.x, s.log1p_x)
    rate = rate / ((1 + s.x) * s.log1p_x * s.log1p_x)
    server = c.cs / (s.F * s.F) - 2 * c.es * s.F
    return Hessian(
        bow * k.wb * k.wb + bend,
        bow * k.wc * k.wc + 2 * rest * c.es + 2 * rest * c.cs / (s.F * s.F * s.F),
        bow * k.wb * k.wc,
        2 * k.w1 * k.w2 * s.t * k.wo + bow * lost * lost,
        -bow * k.wb * lost - y * (c.up1 * rate - c.cd) / (s.b * s.b),
        -bow * k.wc * lost + y * server,
    )


@kernel
def solve_free(
    q: Hessian, free: tuple[bool, bool, bool], r: tuple[float, float, float]
) -> tuple[float, float, float]:
    """Q⁻¹ r over what is free of b, F and φ; φ is not where Q would be indefinite."""
    free_b, free_f, free_p = free
    r_b, r_f = (r[0] if free_b else 0.0), (r[1] if free_f else 0.0)
    q_bb, q_ff = (q.bb if free_b else 1.0), (q.ff if free_f else 1.0)
    q_bf = q.bf if free_b and free_f else 0.0
    q_bp, q_fp = (q.bp if free_b else 0.0), (q.fp if free_f else 0.0)
    # Never singular: it would be where neither share costs anything.
    det = max(q_bb * q_ff - q_bf * q_bf, 1e-12 * q_bb * q_ff)
    b, f = (q_ff * r_b - q_bf * r_f) / det, (q_bb * r_f - q_bf * r_b) / det
    u_b, u_f = (q_ff * q_bp - q_bf * q_fp) / det, (q_bb * q_fp - q_bf * q_bp) / det
    schur = q.pp - u_b * q_bp - u_f * q_fp
    if not (free_p and schur > 1e-9 * q.pp):
        return b, f, 0.0
    p = (r[2] - u_b * r_b - u_f * r_f) / schur
    return b - u_b * p, f - u_f * p, p


@kernel
def solve_nearby(
    low: float, high: float, at: At, c: Pair, k: Score, near: Near
) -> tuple[bool, Point]:
    """Newton's method, (2.4), for a score without power.

    Returns:
        whether it came to a point where the gradient vanishes, or points out of the
        range of what it is for; and that point.
    """
    power = Power(0.0, 1.0, 0.0, c.x_full)
    phi, F, z_full = min(max(near[0], low), high), near[2], np.log(c.x_full)
    z = np.log(near[1])
    worth, close = k.w1 * k.w2, False
    for _ in range(_NEARBY_STEPS):
        z = max(z, z_full)
        up, rest = at.y * (c.up0 + c.up1 * phi), at.y * (1 - phi)
        band = on_curve(np.exp(z), up, rest * c.cd, c, k, power)
        b = min(band.b, 1.0)
        t = 1 / (1 + k.w2 * (k.wb * b + k.wc * F + k.wo * (1 - phi * phi)))
        elastic = band.fall / band.rise if z > z_full else 0.0
        s = Shares(t, band.x, band.log1p_x, band.p, b, F, band.marginal, elastic)
        point = worth_of(phi, s, at, c, k)
        if close:
            return True, point
        g_b = worth * k.wb * t + band.marginal - at.band
        server = rest * (c.cs / (F * F) - 2 * c.es * F)
        g_f, g_p = worth * k.wc * t + server - at.compute, point.slope
        free = (
            z > z_full or g_b < 0,
            F < 1 or g_f < 0,
            low < phi < high or (low < high and (g_p > 0) == (phi <= low)),
        )
        q = hessian(phi, s, band.marginal * band.rise / (band.fall * b), at, c, k)
        d_b, d_f, d_p = solve_free(q, free, (g_b, g_f, g_p))
        if free[2] and d_p == 0 and g_p != 0:  # not concave here
            return False, point
        d_b = min(max(d_b / b, -_LONGEST), _LONGEST)
        d_f = min(max(d_f / F, -_LONGEST), _LONGEST)
        before, F = F, min(F * np.exp(d_f), 1.0)
        moved = max(abs(F / before - 1), abs(z - max(z - d_b / band.fall, z_full)))
        z = z - d_b / band.fall
        before, phi = phi, min(max(phi + d_p, low), high)
        close = max(moved, abs(phi - before)) < _NEARBY_CLOSE
    return False, point


@kernel
def solve_at_split(phi: float, at: At, c: Pair, k: Score, start: Point) -> Point:
    """Solves the priced problem in (b, F, p) for a given φ, from a point nearby."""
    s, power = start.shares, Power(0.0, 1.0, 1.0, c.x_full)
    if k.wp > 0:
        p = best_credited_power(phi, at, c, k, s)
        power = Power(p, p, p, x_of_band(c.snr, k.wt, c.e, p, p))
    else:
        found, point = solve_nearby(phi, phi, at, c, k, (phi, s.x, s.F))
        if found:
            return point
    return worth_of(phi, solve_shares(phi, at, c, k, power, s.t, s.x), at, c, k)


@kernel
def anywhere(phi: float, at: At, c: Pair, k: Score) -> Point:
    """`solve_at_split` where nothing nearby is known."""
    s = solve_shares(phi, at, c, k, Power(0.0, 1.0, 1.0, c.x_full), _START, c.x_full)
    point = worth_of(phi, s, at, c, k)
    return solve_at_split(phi, at, c, k, point) if k.wp > 0 else point


@kernel
def best_credited_power(phi: float, at: At, c: Pair, k: Score, near: Shares) -> float:
    """The best power where the score counts it: between the cheapest power and 1.

    The benefit is concave, then convex in p: a local maximum inside or the end. A grid
    brackets it, unless it is around that of a φ nearby; `root` finishes.
    """
    best, t = credited(1.0, phi, at, c, k, near.t), near.t
    low, high = max(near.p / _NEAR_POWER, _TINY), min(near.p * _NEAR_POWER, 1.0)
    left, right = credited(low, phi, at, c, k, t), credited(high, phi, at, c, k, t)
    if not (left.slope > 0 and right.slope < 0):
        free = Power(0.0, 1.0, 0.0, c.x_full)
        cheapest = solve_shares(phi, at, c, k, free, t, near.x).p
        index = _POWERS
        for i in range(_POWERS):
            p = cheapest * (1 / cheapest) ** (i / _POWERS)
            here = credited(p, phi, at, c, k, best.shares.t)
            if here.benefit > best.benefit:
                best, index = here, i
        before, after = max(index - 1, 0), min(index + 1, _POWERS)
        low = cheapest * (1 / cheapest) ** (before / _POWERS)
        high = cheapest * (1 / cheapest) ** (after / _POWERS)
        left, right = credited(low, phi, at, c, k, t), credited(high, phi, at, c, k, t)
        if not (left.slope > 0 and right.slope < 0):
            return best.shares.p
    # The slope falls through zero between the neighbours: Illinois, in ln p.
    z_left, z_right, f_left, f_right = (
        np.log(low),
        np.log(high),
        left.slope,
        right.slope,
    )
    side, last, here = 0, z_left, left
    for _ in range(60):
        z = (z_right * f_left - z_left * f_right) / (f_left - f_right)
        z = min(max(z, z_left), z_right)
        here = credited(np.exp(z), phi, at, c, k, here.shares.t)
        if here.slope > 0:
            f_right = f_right / 2 if side > 0 else f_right
            f_left, z_left, side = here.slope, z, 1
        else:
            f_left = f_left / 2 if side < 0 else f_left
            f_right, z_right, side = here.slope, z, -1
        moved, last = abs(z - last), z
        if moved <= 1e-10 or z_right - z_left <= 1e-10 or here.slope == 0:
            break
    return here.shares.p if here.benefit > best.benefit else best.shares.p


@kernel
def credited(p: float, phi: float, at: At, c: Pair, k: Score, t: float) -> Point:
    """Shares and benefit at a given power, with the slope by the power; t: a start."""
    s = solve_shares(phi, at, c, k, Power(p, p, p, c.snr * p), t, c.snr * p)
    point = worth_of(phi, s, at, c, k)
    quality = k.wp * p + k.wb * s.b + k.wc * s.F + k.wo * (1 - phi * phi)
    per_rate = at.y * (c.up0 + c.up1 * phi) / (s.b * s.log1p_x)
    slope = k.w1 * k.w2 * k.wp / (1 + k.w2 * quality) - per_rate * (
        c.e - (k.wt + c.e * p) * (s.x / p) / ((1 + s.x) * s.log1p_x)
    )
    return Point(phi, point.benefit, slope, point.cost, s)


@kernel
def solve_interval(low: float, high: float, at: At, c: Pair, k: Score) -> Point:
    """Solves the priced problem for φ in [low, high]: a local maximum, or an end."""
    a = anywhere(low, at, c, k)
    if low == high:
        return a
    m = solve_at_split(halfway(low, high), at, c, k, a)
    z = solve_at_split(high, at, c, k, m)
    end = z if z.benefit > a.benefit else a
    # Where the slope falls through zero the answer is the root.
    if a.slope > 0 and m.slope <= 0:
        left, right = a, m
    elif m.slope > 0 and z.slope < 0:
        left, right = m, z
    else:
        return end
    found, now = False, m
    if k.wp == 0:
        near = m.phi, m.shares.x, m.shares.F
        found, now = solve_nearby(left.phi, right.phi, at, c, k, near)
    if not found:
        now = split_root(left, right, at, c, k)
    return now if now.benefit >= end.benefit else end


@kernel
def split_root(left: Point, right: Point, at: At, c: Pair, k: Score) -> Point:
    """Where the slope falls through zero between two φ: the Illinois method."""
    f_left, f_right, side, phi, now = left.slope, right.slope, 0, left.phi, left
    phi_left, phi_right = left.phi, right.phi
    for _ in range(60):
        guess = (phi_right * f_left - phi_left * f_right) / (f_left - f_right)
        guess = min(max(guess, phi_left), phi_right)
        now = solve_at_split(guess, at, c, k, now)
        if now.slope > 0:
            f_right = f_right / 2 if side > 0 else f_right
            f_left, phi_left, side = now.slope, guess, 1
        else:
            f_left = f_left / 2 if side < 0 else f_left
            f_right, phi_right, side = now.slope, guess, -1
        moved, phi = abs(guess - phi), guess
        if moved <= 1e-9 or phi_right - phi_left <= 1e-9 or now.slope == 0:
            break
    return now


@kernel
def halfway(low: float, high: float) -> float:
    """The φ between two that is halfway in sqrt(1 − φ), in which benefits are smooth.

    The best server frequency, and with it the rent, goes with that root.
    """
    root = (np.sqrt(1 - low) + np.sqrt(1 - high)) / 2
    return min(max(1 - root * root, low), high)


@kernel
def respond_to(
    low: float, high: float, at: At, c: Pair, k: Score, near: Near, follow: bool
) -> Response:
    """Solves the priced problem for φ in [low, high], with second derivatives.

    To follow the response to prices nearby is faster, but of several local maxima it
    finds the same one.
    """
    found = False
    if follow and k.wp == 0:
        found, point = solve_nearby(low, high, at, c, k, near)
    if not found:
        point = solve_interval(low, high, at, c, k)
    phi, s = point.phi, point.shares
    # By the implicit function theorem Jᵀ Q⁻¹ J, with J of the gradient by λ, μ and y.
    free = (s.elastic > 0, s.F < 1, low < phi < high)
    bend = s.marginal / ((s.elastic if free[0] else 1.0) * s.b)
    q = hessian(phi, s, bend, at, c, k)
    server = c.cs / (s.F * s.F) - 2 * c.es * s.F
    quality = k.wp * s.p + k.wb * s.b + k.wc * s.F + k.wo * (1 - phi * phi)
    lost = 2 * k.w1 * k.w2 * k.wo * phi / (1 + k.w2 * quality)
    by_y = (s.marginal / at.y, (1 - phi) * server, (point.slope + lost) / at.y)
    by_b = solve_free(q, free, (1.0, 0.0, 0.0))
    by_f = solve_free(q, free, (0.0, 1.0, 0.0))
    b_y, f_y, _ = solve_free(q, free, by_y)
    return Response(
        point.benefit,
        point.cost,
        phi,
        s.p,
        s.b,
        s.F,
        by_b[0] if free[0] else 0.0,
        by_b[1] if free[0] and free[1] else 0.0,
        by_f[1] if free[1] else 0.0,
        -b_y if free[0] else 0.0,
        -f_y if free[1] else 0.0,
    )


@kernel
def share_bounds(
    phi: float, t: float, at: At, c: Pair, k: Score, power: Power, x: float
) -> float:
    """An upper bound of the priced problem at given φ and t, without v's constants.

    Each of the two problems of (2.2) is concave, so the tangent at any point bounds it;
    at the root of the slope the bound is the maximum. No root need be exact.
    """
    up, rest = at.y * (c.up0 + c.up1 * phi), at.y * (1 - phi)
    net_b, net_f = at.band - k.w1 * k.w2 * k.wb * t, at.compute - k.w1 * k.w2 * k.wc * t
    s = solve_bandwidth(net_b, up, rest * c.cd, c, k, power, x)
    upload = (k.wt + c.e * s.p) / (s.b * s.log1p_x)
    band = -net_b * s.b - up * upload - rest * c.cd / s.b
    slope = s.marginal - net_b
    band = band + max(slope * (1 - s.b), -slope * s.b)
    F = solve_compute(net_f, rest * c.cs, rest * c.es)
    compute = -net_f * F - rest * c.cs / F - rest * c.es * F * F
    slope = rest * c.cs / (F * F) - 2 * rest * c.es * F - net_f
    compute = compute + max(slope * (1 - F), -slope * F)
    paid, most = at.y * (c.local * phi + c.move), at.y * (abs(c.local) * phi + c.move)
    total = band + compute - paid
    # More than rounding can take away.
    return total + 1e-11 * (abs(net_b) + abs(net_f) + abs(total) + most)


@kernel
def interval_bound(
    phi: tuple[float, float],
    p: tuple[float, float],
    at: At,
    c: Pair,
    k: Score,
    near: Near,
) -> tuple[float, float, float]:
    """An upper bound of the priced problem for φ and p in intervals: docs/bounds.md, 2.

    Returns:
        the bound, how much of its slack the interval of p may account for, and the
        benefit that halfway through φ is attained.
    """
    (low, high), (p_low, p_high), found = phi, p, False
    power, middle = Power(p_low, p_high, p_high, c.x_full), halfway(low, high)
    if k.wp > 0:
        x_full = x_of_band(c.snr, k.wt, c.e, p_low, p_high)
        power = Power(p_low, p_high, p_high, x_full)
    else:
        at_middle = middle, near[1], near[2]
        found, point = solve_nearby(middle, middle, at, c, k, at_middle)
        s = point.shares
    if not found:
        s = solve_shares(middle, at, c, k, power, _START, power.x_full)
    left = share_bounds(low, s.t, at, c, k, power, s.x)
    right = share_bounds(high, s.t, at, c, k, power, s.x)
    # The chord less a parabola, at its highest.
    slope = (right - left) / max(high - low, 1e-300)
    bow, credit = k.w1 * k.w2 * s.t * k.wo, k.w1 * k.w2 * s.t * k.wp
    best = min(max(slope / max(2 * bow, 1e-300), low), high)
    top = left + slope * (best - low) - bow * best * best
    value = top + bow + credit * p_high + k.w1 * (s.t - 1 - np.log(s.t))
    value = value + 1e-11 * (k.w1 + bow + credit)
    attained = worth_of(middle, s, at, c, k).benefit
    return value, credit * (p_high - p_low), attained
