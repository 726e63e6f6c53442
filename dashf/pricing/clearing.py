"""Prices at which users with one option each ask for what the servers have.

Here the bound of `interior_point` has no choice left and is smooth but for kinks, where
a share reaches a whole server: there its curvature vanishes, so Newton steps in the
prices may run away, and halving them does not help against cycles of y and prices. What
does: steps in the logarithms of prices, in which demand is nearly a power of the price,
with a least slope, and a longest step for each price, halved whenever its server's
demand turns from too much to too little or back.
"""

from __future__ import annotations

import numpy as np

from dashf.common.arrays import Array, Mask
from dashf.pricing.interior_point import iterate
from dashf.pricing.options import Options, Prices
from dashf.pricing.price_step import price_step

_MAX_ROUNDS = 200  # all but a few of a thousand take 5 to 15
_CLOSE = 1e-7  # surplus and value of what is not shared out, over total score
_FIRST_PRICE = 10.0  # score for all of a server, for each of its users
_LEAST_PRICE = 1e-9  # score; no different from nothing
_LEAST_DETERMINANT = 0.02  # of the slopes, over the product of the diagonal ones
_LONGEST_STEP = 2.0  # nepers, of a price in a round
_LONGER = 1.4  # the longest step over the one before, where demand has not turned
_LONGER_LATE = 1.05  # the same after so many rounds that prices must be cycling:
_LATE = 30
_STALL = 6  # rounds without much gain that end it where φ is free, so demand may jump
_TURNED = 1e-3  # of a share above or below all there is


def clear(
    options: Options,
    k: tuple[float, ...],
    ratio: Array,
    *,
    start: Prices | None = None,
    max_rounds: int = _MAX_ROUNDS,
) -> Prices:
    """Returns the prices that minimise the bound where users have one option each.

    Args:
        options: one for each user, all of them allowed, with `server`.
        k: `score_constants`.
        ratio: [S] a first y, such as the SCR of an allocation.
        start: prices to start from, of the same shapes.
        max_rounds: at most; then the prices of the round that was closest.
    """
    state = _State(options, k, np.array(ratio, dtype=np.float64), start)
    kept, rounds = iterate(state, max_rounds + 1)
    return Prices(**kept, iterations=np.minimum(rounds, max_rounds))


class _State:
    """The iterate of a batch. `step` makes one step and says who has ended."""

    ARRAYS = (
        *("y", "price", "used", "x", "longest", "change", "excess"),
        *("free", "stalled", "best", "best_ratio", "best_price"),
    )

    def __init__(
        self, options: Options, k: tuple[float, ...], y: Array, start: Prices | None
    ) -> None:
        assert options.server is not None
        self.options, self.k, self.y = options, k, y
        self.x = 1.0 * (options.server == np.arange(options.capacity.shape[1]))
        load = self.x.sum(axis=1)[..., None]
        self.used = np.broadcast_to(load > 0, options.capacity.shape)  # [S, M, 2]
        price = _FIRST_PRICE * load if start is None else start.price
        # A server that serves nobody charges no rent and sets no price.
        self.price = np.where(self.used, np.maximum(price, _LEAST_PRICE), 0.0)
        self.longest = np.full(self.price.shape, _LONGEST_STEP)
        self.change, self.excess = np.zeros((2, *self.price.shape))
        self.free = (options.high > options.low).any(axis=(1, 2))
        self.stalled = np.zeros(len(y), dtype=int)
        self.rounds = 0
        self.best = np.full(len(y), np.inf)
        self.best_ratio, self.best_price = self.y.copy(), self.price.copy()

    def kept(self) -> list[tuple[str, Array]]:
        """The fields of `Prices`, of the closest round so far."""
        return [
            ("ratio", self.best_ratio),
            ("price", self.best_price),
        ]

    def keep(self, index: Mask) -> None:
        """Goes on with some of the scenarios."""
        self.options = self.options.take(index)
        for name in self.ARRAYS:
            setattr(self, name, getattr(self, name)[index])

    def step(self) -> Mask:
        """Measures how close the prices are, then changes them. Returns [S] ended."""
        a = self.options.respond(self.y, self.price, self.k)
        cost = a.cost.sum(axis=(1, 2))
        surplus = self.price.sum(axis=(1, 2)) + a.benefit.sum(axis=(1, 2))
        share = np.where(self.used, self._total(a.band, a.compute), 1.0)  # [S, M, 2]
        idle = (self.price * np.abs(share - 1)).sum(axis=(1, 2))
        error = (np.abs(surplus) + idle) / (self.y * cost)
        self.stalled = np.where(error < 0.9 * self.best, 0, self.stalled + 1)
        ended = (error < _CLOSE) | (self.free & (self.stalled >= _STALL))

        better = error < self.best
        self.best = np.where(better, error, self.best)
        self.best_ratio = np.where(better, self.y, self.best_ratio)
        self.best_price = np.where(better[:, None, None], self.price, self.best_price)
        if ended.all():
            return ended

        excess = np.where(np.abs(share - 1) > _TURNED, share - 1, 0.0)
        turned = excess * self.excess < 0
        rate = _LONGER if self.rounds < _LATE else _LONGER_LATE
        longer = np.minimum(_LONGEST_STEP, rate * self.longest)
        self.longest = np.where(turned, 0.5 * np.abs(self.change), longer)
        self.excess = excess
        rise = np.clip(surplus / cost, -0.7 * self.y, 2.0 * self.y)
        step = price_step(a, self._total, self.price, share, rise, _regular)
        self.change = np.clip(step, -self.longest, self.longest)
        price = np.maximum(self.price * np.exp(self.change), _LEAST_PRICE)
        self.price = np.where(self.used, price, 0.0)
        self.y = self.y + rise
        self.rounds += 1
        return ended

    def _total(self, *values: Array) -> Array:
        """Sums values of users [S, N, 1] by server, [S, M, how many]."""
        return np.einsum("snm,snd->smd", self.x, np.concatenate(values, axis=-1))


def _regular(slope: Array, cross: Array) -> Array:
    """Returns cross derivatives with a least determinant."""
    diagonal = slope.prod(axis=-1, keepdims=True)
    product = np.maximum(cross.prod(axis=-1, keepdims=True), 1e-300)
    most = (1 - _LEAST_DETERMINANT) * diagonal
    return cross * np.minimum(1.0, np.sqrt(most / product))
