"""A step of the interior-point method: 3.1 to 3.3 of docs/bounds.md, compiled."""

from __future__ import annotations

import numpy as np

from dashf.common.arrays import Array
from dashf.pricing.iterates import LARGE, Search, remember, surplus

_STALL = 12  # iterations without progress: where a best φ jumps they may cycle
_SLACK_KEPT = 0.3  # of a slack, where the curvature of a benefit takes it
_LARGEST_FALL, _LARGEST_RISE = 0.5, 1.0  # of y in a step, relative
_TO_BOUNDARY = 0.98  # of the way to where something is no longer positive
_LEAST = 1e-12  # of prices and slacks in score, of the curvature in a price
_RIDGE = 1e-11  # on the scaled matrix's unit diagonal
_PROGRESS = 0.9  # of the least residual so far: below it there is progress
_HOPELESS_CHOICE, _HOPELESS_SLACK = 1e-3, 2.0  # below and above it at a late theta of
_LATE_THETA = 3e-3


def set_slacks(v: Search) -> None:
    """Sets w to r − β; r gives way where the curvature of a benefit took the slack.

    In large scenarios options that are far from chosen are laid aside. It makes the
    search several times faster and can only loosen the bound: the certificate asks all.
    """
    late = v.X.size > LARGE and v.now[0].theta < _LATE_THETA
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
    now, price, cap = v.now[0], v.price.ravel(), v.capacity.ravel()
    dual, D = v.dual.ravel(), v.price.shape[1]
    cost, benefit, gap, wrong = 0.0, 0.0, 0.0, 0.0
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
    dual, size = v.dual.ravel(), price.size
    # H dπ + h dy = ρ, (3.5), and the balance row for dy.
    H, h, rho, row = np.zeros((size, size)), np.zeros(size), cap.copy(), cap.copy()
    V, touched, g = np.zeros(size), np.zeros(size, np.int64), np.ones(D)
    balance, slope = 0.0, 0.0
    for i in range(size):
        balance += cap[i] * price[i]
        rho[i] = now.theta / price[i] - cap[i]
        H[i, i] = dual[i] / price[i] + _LEAST
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
