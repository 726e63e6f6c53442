"""The priced problem of one pair, in functions of numbers, all of which numba compiles.

They are plain Python too, for reading and for stepping through. At a ratio y and prices
λ and μ the problem is

    max over φ, p, b, F of  v − y c − λ b − μ F,

with c and v as in `docs/bounds.md`, whose section 2 says what makes it easy. `shares`
solves it for a given φ, `newton` from a solution nearby; here are the best power where
the score counts it, the best φ, and bounds of what is attained.
"""

from __future__ import annotations

import numpy as np

from dashf.pair.newton import hessian, solve_free, solve_nearby
from dashf.pair.shares import (
    quality_of,
    solve_bandwidth,
    solve_compute,
    solve_shares,
    upload_of,
    worth_of,
    x_of_band,
)
from dashf.pair.terms import Bracket, Near, Point, Power, Priced, Response, Shares

_TINY = 1e-30
_NEAR_POWER = 1.3  # factor within which the best power is sought first
_POWERS = 8  # of the grid over powers
_START = 0.2  # of t and of p, where nothing nearby is known


def solve_at_split(phi: float, o: Priced, start: Point) -> Point:
    """Solves the priced problem in (b, F, p) for a given φ, from a point nearby."""
    s, power = start.shares, Power(0.0, 1.0, 1.0, o.x_full)
    if o.wp > 0:
        p = best_credited_power(phi, o, s)
        power = Power(p, p, p, x_of_band(o.snr, o.wt, o.e, p, p))
    else:
        found, point = solve_nearby(phi, phi, o, (phi, s.x, s.F))
        if found:
            return point
    return worth_of(phi, solve_shares(phi, o, power, s.t, s.x), o)


def anywhere(phi: float, o: Priced) -> Point:
    """`solve_at_split` where nothing nearby is known."""
    s = solve_shares(phi, o, Power(0.0, 1.0, 1.0, o.x_full), _START, o.x_full)
    point = worth_of(phi, s, o)
    return solve_at_split(phi, o, point) if o.wp > 0 else point


def secant(k: Bracket) -> float:
    """Where the line through both ends is zero."""
    guess = (k.right * k.f_left - k.left * k.f_right) / (k.f_left - k.f_right)
    return min(max(guess, k.left), k.right)


def narrowed(k: Bracket, at: float, slope: float) -> Bracket:
    """The bracket with `at` as an end; the other's slope halved if it stays again."""
    if slope > 0:
        f_right = k.f_right / 2 if k.side > 0 else k.f_right
        return Bracket(at, k.right, slope, f_right, 1)
    f_left = k.f_left / 2 if k.side < 0 else k.f_left
    return Bracket(k.left, at, f_left, slope, -1)


def credited(p: float, phi: float, o: Priced, t: float) -> Point:
    """Shares and benefit at a given power, with the slope by the power; t: a start."""
    s = solve_shares(phi, o, Power(p, p, p, o.snr * p), t, o.snr * p)
    point = worth_of(phi, s, o)
    per_rate = o.y * (o.up0 + o.up1 * phi) / (s.b * s.log1p_x)
    slope = o.w1 * o.w2 * o.wp / (1 + o.w2 * quality_of(phi, p, s.b, s.F, o))
    growth = (s.x / p) / ((1 + s.x) * s.log1p_x)  # of the rate by the power
    slope = slope - per_rate * (o.e - (o.wt + o.e * p) * growth)
    return Point(phi, point.benefit, slope, point.cost, s)


def best_credited_power(phi: float, o: Priced, near: Shares) -> float:
    """The best power where the score counts it: between the cheapest power and 1.

    The benefit is concave, then convex in p: a local maximum inside or the end. A grid
    brackets it, unless it is around that of a φ nearby; a root in ln p finishes.
    """
    best, t = credited(1.0, phi, o, near.t), near.t
    low, high = max(near.p / _NEAR_POWER, _TINY), min(near.p * _NEAR_POWER, 1.0)
    left, right = credited(low, phi, o, t), credited(high, phi, o, t)
    if not (left.slope > 0 and right.slope < 0):
        free = Power(0.0, 1.0, 0.0, o.x_full)
        cheapest = solve_shares(phi, o, free, t, near.x).p
        index = _POWERS
        for i in range(_POWERS):
            p = cheapest * (1 / cheapest) ** (i / _POWERS)
            here = credited(p, phi, o, best.shares.t)
            if here.benefit > best.benefit:
                best, index = here, i
        before, after = max(index - 1, 0), min(index + 1, _POWERS)
        low = cheapest * (1 / cheapest) ** (before / _POWERS)
        high = cheapest * (1 / cheapest) ** (after / _POWERS)
        left, right = credited(low, phi, o, t), credited(high, phi, o, t)
        if not (left.slope > 0 and right.slope < 0):
            return best.shares.p
    k = Bracket(np.log(low), np.log(high), left.slope, right.slope, 0)
    here, last = left, k.left
    for _ in range(60):
        z = secant(k)
        here = credited(np.exp(z), phi, o, here.shares.t)
        k = narrowed(k, z, here.slope)
        moved, last = abs(z - last), z
        if moved <= 1e-10 or k.right - k.left <= 1e-10 or here.slope == 0:
            break
    return here.shares.p if here.benefit > best.benefit else best.shares.p


def split_root(left: Point, right: Point, o: Priced) -> Point:
    """Where the slope falls through zero between two φ."""
    k, now, last = Bracket(left.phi, right.phi, left.slope, right.slope, 0), left, left
    for _ in range(60):
        now, last = solve_at_split(secant(k), o, now), now
        k = narrowed(k, now.phi, now.slope)
        close = min(abs(now.phi - last.phi), k.right - k.left) <= 1e-9
        if close or now.slope == 0:
            break
    return now


def solve_interval(low: float, high: float, o: Priced) -> Point:
    """Solves the priced problem for φ in [low, high]: a local maximum, or an end."""
    a = anywhere(low, o)
    if low == high:
        return a
    m = solve_at_split(halfway(low, high), o, a)
    z = solve_at_split(high, o, m)
    end = z if z.benefit > a.benefit else a
    # Where the slope falls through zero the answer is the root.
    if a.slope > 0 and m.slope <= 0:
        left, right = a, m
    elif m.slope > 0 and z.slope < 0:
        left, right = m, z
    else:
        return end
    found, now = False, m
    if o.wp == 0:
        near = m.phi, m.shares.x, m.shares.F
        found, now = solve_nearby(left.phi, right.phi, o, near)
    if not found:
        now = split_root(left, right, o)
    return now if now.benefit >= end.benefit else end


def halfway(low: float, high: float) -> float:
    """The φ between two that is halfway in sqrt(1 − φ), in which benefits are smooth.

    The best server frequency, and with it the rent, goes with that root.
    """
    root = (np.sqrt(1 - low) + np.sqrt(1 - high)) / 2
    return min(max(1 - root * root, low), high)


def respond_to(
    low: float, high: float, o: Priced, near: Near, follow: bool
) -> Response:
    """Solves the priced problem for φ in [low, high], with second derivatives.

    To follow the response to prices nearby is faster, but of several local maxima it
    finds the same one.
    """
    found = False
    if follow and o.wp == 0:
        found, point = solve_nearby(low, high, o, near)
    if not found:
        point = solve_interval(low, high, o)
    phi, s = point.phi, point.shares
    # By the implicit function theorem Jᵀ Q⁻¹ J, with J of the gradient by λ, μ and y.
    free = (s.elastic > 0, s.F < 1, low < phi < high)
    bend = s.marginal / ((s.elastic if free[0] else 1.0) * s.b)
    q = hessian(phi, s, bend, o)
    server = o.cs / (s.F * s.F) - 2 * o.es * s.F
    quality = quality_of(phi, s.p, s.b, s.F, o)
    lost = 2 * o.w1 * o.w2 * o.wo * phi / (1 + o.w2 * quality)
    by_y = (s.marginal / o.y, (1 - phi) * server, (point.slope + lost) / o.y)
    bb, bf, _ = solve_free(q, free, (1.0, 0.0, 0.0))
    _, ff, _ = solve_free(q, free, (0.0, 1.0, 0.0))
    b_y, f_y, _ = solve_free(q, free, by_y)
    own = point.benefit, point.cost, phi, s.p, s.b, s.F
    return Response(*own, bb, bf, ff, -b_y, -f_y)


def share_bounds(phi: float, t: float, o: Priced, power: Power, x: float) -> float:
    """An upper bound of the priced problem at given φ and t, without v's constants.

    Each of the two problems of (2.2) is concave, so the tangent at any point bounds it;
    at the root of the slope the bound is the maximum. No root need be exact.
    """
    up, rest = o.y * (o.up0 + o.up1 * phi), o.y * (1 - phi)
    net_b, net_f = o.band - o.w1 * o.w2 * o.wb * t, o.compute - o.w1 * o.w2 * o.wc * t
    s = solve_bandwidth(net_b, phi, o, power, x)
    band = -net_b * s.b - up * upload_of(s, o) - rest * o.cd / s.b
    slope = s.marginal - net_b
    band = band + max(slope * (1 - s.b), -slope * s.b)
    F = solve_compute(net_f, phi, o)
    compute = -net_f * F - rest * o.cs / F - rest * o.es * F * F
    slope = rest * o.cs / (F * F) - 2 * rest * o.es * F - net_f
    compute = compute + max(slope * (1 - F), -slope * F)
    paid, most = o.y * (o.local * phi + o.move), o.y * (abs(o.local) * phi + o.move)
    total = band + compute - paid
    # More than rounding can take away.
    return total + 1e-11 * (abs(net_b) + abs(net_f) + abs(total) + most)


def interval_bound(
    low: float, high: float, p_low: float, p_high: float, o: Priced, near: Near
) -> tuple[float, float, float]:
    """An upper bound for φ and p in intervals: 2 of docs/bounds.md.

    Returns:
        the bound, how much of its slack the interval of p may account for, and the
        benefit that halfway through φ is attained.
    """
    found, middle = False, halfway(low, high)
    power = Power(p_low, p_high, p_high, o.x_full)
    if o.wp > 0:
        x_full = x_of_band(o.snr, o.wt, o.e, p_low, p_high)
        power = Power(p_low, p_high, p_high, x_full)
    else:
        found, point = solve_nearby(middle, middle, o, (middle, near[1], near[2]))
        s = point.shares
    if not found:
        s = solve_shares(middle, o, power, _START, power.x_full)
    left = share_bounds(low, s.t, o, power, s.x)
    right = share_bounds(high, s.t, o, power, s.x)
    # The chord less a parabola, at its highest.
    slope = (right - left) / max(high - low, 1e-300)
    bow, credit = o.w1 * o.w2 * s.t * o.wo, o.w1 * o.w2 * s.t * o.wp
    best = min(max(slope / max(2 * bow, 1e-300), low), high)
    top = left + slope * (best - low) - bow * best * best
    value = top + bow + credit * p_high + o.w1 * (s.t - 1 - np.log(s.t))
    value = value + 1e-11 * (o.w1 + bow + credit)
    return value, credit * (p_high - p_low), worth_of(middle, s, o).benefit
