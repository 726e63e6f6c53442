"""Newton's method on all of a pair's problem at once, (2.4) of docs/bounds.md.

It is for a score without power, near a solution, and there several times as fast as
the equations of `shares` one within another.
"""

from __future__ import annotations

import numpy as np

from dashf.pair.shares import on_curve, quality_of, remainder, shares_of, worth_of
from dashf.pair.terms import Hessian, Near, Point, Power, Priced, Shares

_NEARBY_STEPS = 12  # of Newton's method from a solution nearby, then the long way
_NEARBY_CLOSE = 1e-6  # its last step: the error is of the order of the square
_LONGEST = 1.0  # nepers, of b and F in such a step


def hessian(phi: float, s: Shares, bend: float, o: Priced) -> Hessian:
    """−∇² of the benefit; `bend` is −∂ marginal/∂b."""
    bow = o.w1 * (o.w2 * s.t) * (o.w2 * s.t)  # −v'' by q
    y, rest, lost = o.y, o.y * (1 - phi), 2 * o.wo * phi  # lost: −∂q/∂φ
    rate = (o.wt + o.e * s.p) * remainder(s.x, s.log1p_x)
    rate = rate / ((1 + s.x) * s.log1p_x * s.log1p_x)
    server = o.cs / (s.F * s.F) - 2 * o.es * s.F
    return Hessian(
        bow * o.wb * o.wb + bend,
        bow * o.wc * o.wc + 2 * rest * o.es + 2 * rest * o.cs / (s.F * s.F * s.F),
        bow * o.wb * o.wc,
        2 * o.w1 * o.w2 * s.t * o.wo + bow * lost * lost,
        -bow * o.wb * lost - y * (o.up1 * rate - o.cd) / (s.b * s.b),
        -bow * o.wc * lost + y * server,
    )


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


def solve_nearby(low: float, high: float, o: Priced, near: Near) -> tuple[bool, Point]:
    """Newton's method for a score without power.

    Returns:
        whether it came to a point where the gradient vanishes, or points out of the
        range of what it is for; and that point.
    """
    power, z_full = Power(0.0, 1.0, 0.0, o.x_full), np.log(o.x_full)
    phi, z, F = min(max(near[0], low), high), np.log(near[1]), near[2]
    worth, close = o.w1 * o.w2, False
    for _ in range(_NEARBY_STEPS):
        z = max(z, z_full)
        band = on_curve(np.exp(z), phi, o, power)
        b = min(band.b, 1.0)
        t = 1 / (1 + o.w2 * quality_of(phi, band.p, b, F, o))
        elastic = band.fall / band.rise if z > z_full else 0.0
        s = shares_of(t, F, band, elastic)
        point = worth_of(phi, s, o)
        if close:
            return True, point
        g_b = worth * o.wb * t + band.marginal - o.band
        server = o.y * (1 - phi) * (o.cs / (F * F) - 2 * o.es * F)
        g_f, g_p = worth * o.wc * t + server - o.compute, point.slope
        free = (
            z > z_full or g_b < 0,
            F < 1 or g_f < 0,
            low < phi < high or (low < high and (g_p > 0) == (phi <= low)),
        )
        q = hessian(phi, s, band.marginal * band.rise / (band.fall * b), o)
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
