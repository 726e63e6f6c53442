"""What the kernels take and return: tuples of numbers."""

from __future__ import annotations

from typing import NamedTuple


class Score(NamedTuple):
    """Constants of an objective: ω_t', ω1, ω2, w_p, w_b, w_c, w_o."""

    wt: float
    w1: float
    w2: float
    wp: float
    wb: float
    wc: float
    wo: float


class Priced(NamedTuple):
    """A pair's problem: ratio and prices, coefficients of its cost, the `Score`."""

    y: float
    band: float  # λ, for the whole band
    compute: float  # μ, for the whole frequency
    local: float  # from here on as in `coefficients.Pairs.arrays`
    up0: float
    up1: float
    snr: float
    e: float
    cs: float
    es: float
    cd: float
    x_full: float
    move: float
    wt: float
    w1: float
    w2: float
    wp: float
    wb: float
    wc: float
    wo: float


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


class Bracket(NamedTuple):
    """Where a slope falls through zero, with the slopes at both ends."""

    left: float
    right: float
    f_left: float
    f_right: float
    side: int  # that was moved last: 1 left, −1 right, 0 none


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
