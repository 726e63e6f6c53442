"""Statistics with bootstrap intervals, as Agarwal et al. (NeurIPS 2021) advise.

Scores are arrays [R, I]: R training runs of one agent on I instances. With several
runs they are resampled within each instance (stratified bootstrap); a single run
resamples the instances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_TAILS = (0.025, 0.975)  # quantiles at the ends of a 95 % interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """A point estimate with its 95 % confidence interval."""

    value: float
    low: float
    high: float


def mean(scores: Array) -> Array:
    """Returns the mean over the last axis."""
    return np.asarray(scores.mean(axis=-1))


def interquartile_mean(scores: Array) -> Array:
    """Returns the mean of the middle half over the last axis."""
    from scipy.stats import trim_mean  # half a second to import

    return np.asarray(trim_mean(scores, 0.25, axis=-1))


def bootstrap(
    scores: Array,  # [R, I]
    statistic: Callable[[Array], Array],  # over the last axis
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> Estimate:
    """Returns a statistic of the scores with its percentile bootstrap interval.

    Raises:
        ValueError: there are no scores, or they are not [R, I].
    """
    scores = _checked(scores)
    resampled = _resample(scores, resamples, np.random.default_rng(seed))
    low, high = np.quantile(statistic(resampled), _TAILS)
    value = float(statistic(scores.ravel()))
    return Estimate(value=value, low=float(low), high=float(high))


def performance_profile(scores: Array, thresholds: Array) -> Array:
    """Returns the share of scores above each threshold, shaped as `thresholds`."""
    scores = _checked(scores).ravel()
    return np.asarray((scores > np.asarray(thresholds)[..., None]).mean(axis=-1))


def profile_band(
    scores: Array,  # [R, I]
    thresholds: Array,  # [T]
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> tuple[Array, Array]:
    """Returns lower and upper edge of the `performance_profile`'s interval, [T] each.

    The band is pointwise: 95 % holds at each threshold, not for the whole curve.
    """
    resampled = _resample(_checked(scores), resamples, np.random.default_rng(seed))
    shares = np.stack([(resampled > t).mean(axis=-1) for t in thresholds])
    low, high = np.quantile(shares, _TAILS, axis=-1)
    return low, high


def improvement(
    ours: Array,  # [R, I]
    theirs: Array,  # [Q, I]
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> Estimate:
    """Returns the probability that a run of ours beats one of theirs on an instance.

    Ties count half; averaged over instances, with its percentile bootstrap interval.
    Runs of both are resampled within each instance; where both have a single run, the
    instances are.
    """
    wins = _wins(ours, theirs)
    rng = np.random.default_rng(seed)
    runs, others, instances = wins.shape
    if runs == others == 1:
        values = wins[0, 0, rng.integers(instances, size=(resamples, instances))]
        values = values.mean(axis=-1)
    else:
        # How often each run is drawn stands for the draw; [resamples, I, R] and Q.
        ours_drawn, theirs_drawn = (
            rng.multinomial(n, np.full(n, 1 / n), size=(resamples, instances)) / n
            for n in (runs, others)
        )
        drawn = np.einsum("bir,rqi->biq", ours_drawn, wins)
        values = np.einsum("biq,biq->b", drawn, theirs_drawn) / instances
    low, high = np.quantile(values, _TAILS)
    return Estimate(value=float(wins.mean()), low=float(low), high=float(high))


def _wins(ours: Array, theirs: Array) -> Array:
    """Returns 1 where a run of ours beats one of theirs, ties one half; [R, Q, I]."""
    ours, theirs = _checked(ours), _checked(theirs)
    if ours.shape[1] != theirs.shape[1]:
        raise ValueError(
            "Both agents must have scores on the same instances; got "
            f"{ours.shape[1]} and {theirs.shape[1]}."
        )
    pairs = ours[:, None, :] - theirs[None, :, :]
    return np.asarray((pairs > 0) + 0.5 * (pairs == 0))


def _resample(scores: Array, resamples: int, rng: np.random.Generator) -> Array:
    """Returns [resamples, R · I] scores drawn with replacement."""
    runs, instances = scores.shape
    if runs == 1:
        return np.asarray(
            scores[0, rng.integers(instances, size=(resamples, instances))]
        )
    chosen = rng.integers(runs, size=(resamples, runs, instances))
    return scores[chosen, np.arange(instances)].reshape(resamples, -1)


def _checked(scores: Array) -> Array:
    scores = np.asarray(scores, dtype=np.float64)
    if scores.ndim != 2 or scores.size == 0:
        raise ValueError(
            "`scores` must have shape [runs, instances], at least one each; got "
            f"{scores.shape}."
        )
    return scores
