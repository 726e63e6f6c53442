"""The shares of one pair for a given split, at given prices: 2 of docs/bounds.md.

For given φ and b the best power is on a curve with x = snr p/b as its parameter; along
it the upload cost is convex in b; so for given φ the problem is concave in (b, F), and
with t = 1/(1 + ω2 q), the slope of the logarithm, it falls apart into one equation for
b, one for F and one for t.
"""

from __future__ import annotations

import numpy as np

from dashf.pair.terms import Curve, Point, Power, Priced, Shares

_SMALL = 0.02  # below it the remainder takes its series
_TINY = 1e-30
_CLOSE = 1e-9  # Newton steps this small, in logarithms, end an iteration
_MISSING = 1e-6  # quality, relative, by which t may miss its equation
_BESIDE = 4e-9  # relative, from t to where demand has jumped


def remainder(x: float, log1p_x: float) -> float:
    """(1 + x) ln(1 + x) − x, about x²/2, without cancellation."""
    if x >= _SMALL:
        return (1 + x) * log1p_x - x
    series = 1 / 56 - x * (1 / 72 - x / 90)
    series = 1 / 20 - x * (1 / 30 - x * (1 / 42 - x * series))
    return x * x * (1 / 2 - x * (1 / 6 - x * (1 / 12 - x * series)))


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


def on_curve(x: float, phi: float, o: Priced, power: Power) -> Curve:
    """The cheapest way to upload at x: up (wt + e p)/(b ln(1 + x)) + down/b, (2.1)."""
    up, down = o.y * (o.up0 + o.up1 * phi), o.y * (1 - phi) * o.cd
    log1p_x = np.log1p(x)
    rest = remainder(x, log1p_x)
    p = o.wt * x / max(power.high * o.e * rest, o.wt * x)
    p = max(power.low, power.high * p)
    b = o.snr * p / x
    rate = (o.wt + o.e * p) * rest / ((1 + x) * log1p_x * log1p_x)
    growth, share = x * log1p_x / rest, x / (1 + x)  # d ln rest / d ln x, in [1, 2]
    if power.low < p < power.high:
        fall, rise = growth, -share / log1p_x
    else:
        fall, rise = 1.0, growth - share - 2 * share / log1p_x
    rise = rise * up * rate / (up * rate + down) + 2 * fall
    return Curve(x, log1p_x, p, b, (up * rate + down) / (b * b), fall, rise)


def elasticity(point: Curve, power: Power) -> float:
    """−d ln b / d ln (its net price); 0 at the whole band."""
    return point.fall / point.rise if point.x > power.x_full * (1 + 1e-12) else 0.0


def solve_bandwidth(
    price: float, phi: float, o: Priced, power: Power, x_start: float
) -> Curve:
    """Maximises −price b less what `on_curve` costs over b in (0, 1].

    The price is net: what is paid less what the score pays for it.
    """
    if price <= 0:
        return on_curve(power.x_full, phi, o, power)
    z_full, log_price = np.log(power.x_full), np.log(price)
    z = max(np.log(x_start), z_full)
    for _ in range(60):
        point = on_curve(np.exp(z), phi, o, power)
        step = (np.log(point.marginal) - log_price) / point.rise
        z_next = min(max(z - step, z_full), z_full + 600)
        moved, z = abs(z_next - z), z_next
        if moved < _CLOSE:
            break
    return point


def solve_compute(price: float, phi: float, o: Priced) -> float:
    """Maximises −price F − delay/F − energy F² over F in (0, 1].

    The root of 2 energy F³ + price F² = delay, by Newton steps that fall to it.
    """
    delay, energy = o.y * (1 - phi) * o.cs, o.y * (1 - phi) * o.es
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


def solve_shares(phi: float, o: Priced, power: Power, t: float, x: float) -> Shares:
    """Solves the priced problem in (b, F, p) for a given φ; t and x are starts.

    The root of t (1 + ω2 q(t)) = 1, (2.2): it rises with t.
    """
    rest, worth = o.y * (1 - phi), o.w1 * o.w2  # worth of quality, times t
    base = o.wp * power.credit + o.wo * (1 - phi * phi)
    low = (1 - 1e-9) / (1 + o.w2 * (base + o.wb + o.wc))
    high = (1 + 1e-9) / (1 + o.w2 * base)
    t = min(max(t, low), high)
    for _ in range(60):
        net_b, net_f = o.band - worth * o.wb * t, o.compute - worth * o.wc * t
        band = solve_bandwidth(net_b, phi, o, power, x)
        F = solve_compute(net_f, phi, o)
        x, elastic = band.x, elasticity(band, power)
        quality = base + o.wb * band.b + o.wc * F
        excess = t * (1 + o.w2 * quality) - 1
        if excess > 0:
            high = t
        else:
            low = t
        rise_b = elastic * band.b / net_b if elastic > 0 else 0.0
        bend = 2 * rest * o.es + 2 * rest * o.cs / (F * F * F)
        rise_f = 1 / bend if F < 1 else 0.0
        rise = worth * (o.wb * o.wb * rise_b + o.wc * o.wc * rise_f)
        newton = t - excess / (1 + o.w2 * quality + t * o.w2 * rise)
        t_next = newton if low < newton < high else (low + high) / 2
        moved, t = abs(t_next - t), t_next
        if moved <= 1e-9 * t:
            break
    missing = (1 / t - 1) / o.w2 - quality
    if abs(missing) > _MISSING * (quality + 1 / o.w2):
        # Where a share hardly costs anything its demand jumps with t, and no t solves
        # the equation: what does lies between the demands beside it, (2.3).
        below, above = (1 - _BESIDE) * worth * t, (1 + _BESIDE) * worth * t
        F_low = solve_compute(o.compute - o.wc * below, phi, o)
        F_high = solve_compute(o.compute - o.wc * above, phi, o)
        b_low = solve_bandwidth(o.band - o.wb * below, phi, o, power, x).b
        b_high = solve_bandwidth(o.band - o.wb * above, phi, o, power, x).b
        wanted = (1 / t - 1) / o.w2 - base
        F = fill(wanted - o.wb * b_low, o.wc, F_low, F_high)
        b = fill(wanted - o.wc * F, o.wb, b_low, b_high)
        x = max(x_of_band(o.snr / b, o.wt, o.e, power.low, power.high), power.x_full)
        band = on_curve(x, phi, o, power)
    return shares_of(t, F, band, elasticity(band, power))


def fill(wanted: float, weight: float, low: float, high: float) -> float:
    """The share between two demands whose part of the score is what is wanted."""
    share = wanted / max(weight, _TINY)
    return min(max(share, min(low, high)), high)


def shares_of(t: float, F: float, band: Curve, elastic: float) -> Shares:
    """The shares at a point of the curve, of which rounding may be above the band."""
    b = min(band.b, 1.0)
    return Shares(t, band.x, band.log1p_x, band.p, b, F, band.marginal, elastic)


def quality_of(phi: float, p: float, b: float, F: float, o: Priced) -> float:
    """What the score is of: q = w_p p + w_b b + w_c F + w_o (1 − φ²)."""
    return o.wp * p + o.wb * b + o.wc * F + o.wo * (1 - phi * phi)


def upload_of(s: Shares | Curve, o: Priced) -> float:
    """Cost of a unit of payload, (wt + e p)/(b L)."""
    return (o.wt + o.e * s.p) / (s.b * s.log1p_x)


def worth_of(phi: float, s: Shares, o: Priced) -> Point:
    """The benefit, v − y c − λ b − μ F, and its derivative by φ."""
    upload = upload_of(s, o)
    remote = o.cs / s.F + o.es * s.F * s.F + o.cd / s.b
    cost = phi * o.local + (o.up0 + o.up1 * phi) * upload + (1 - phi) * remote + o.move
    quality = quality_of(phi, s.p, s.b, s.F, o)
    rent = o.band * s.b + o.compute * s.F
    benefit = o.w1 * np.log1p(o.w2 * quality) - o.y * cost - rent
    slope = -2 * o.w1 * o.w2 * o.wo * phi / (1 + o.w2 * quality)
    slope = slope - o.y * (o.local + o.up1 * upload - remote)
    return Point(phi, benefit, slope, cost, s)
