"""Statistics, against sums by hand and against known coverage."""

from __future__ import annotations

import numpy as np
import pytest

from agents.evaluation.statistics import (
    bootstrap,
    improvement,
    interquartile_mean,
    mean,
    performance_profile,
    profile_band,
)


def test_interquartile_mean_by_hand() -> None:
    # Of 0 … 7 the lowest and highest quarter fall away: (2 + 3 + 4 + 5) / 4 = 3.5.
    assert interquartile_mean(np.array([7.0, 0, 6, 1, 5, 2, 4, 3])) == 3.5
    # An outlier does not move it.
    assert interquartile_mean(np.array([700.0, 0, 6, 1, 5, 2, 4, 3])) == 3.5


def test_bootstrap_estimates_all_scores() -> None:
    estimate = bootstrap(np.array([[1.0, 2], [3, 6]]), mean)
    assert estimate.value == 3
    assert estimate.low <= 3 <= estimate.high


def test_several_runs_are_resampled_within_instances() -> None:
    # Runs agree, instances differ widely: no uncertainty about the runs.
    scores = np.array([[0.0, 100.0], [0.0, 100.0]])
    estimate = bootstrap(scores, mean)
    assert (estimate.low, estimate.high) == (50, 50)


def test_a_single_run_resamples_instances() -> None:
    estimate = bootstrap(np.array([[0.0, 100.0]]), mean)
    assert (estimate.low, estimate.high) == (0, 100)


def test_bootstrap_is_seeded() -> None:
    scores = np.random.default_rng(0).normal(size=(1, 30))
    assert bootstrap(scores, mean, seed=1) == bootstrap(scores, mean, seed=1)
    assert bootstrap(scores, mean, seed=1) != bootstrap(scores, mean, seed=2)


def test_intervals_cover_about_95_percent() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        estimate = bootstrap(rng.normal(size=(1, 100)), mean, seed=trial, resamples=400)
        covered += estimate.low <= 0 <= estimate.high
    # 190 expected, standard deviation 3.1.
    assert 178 <= covered <= 199


def test_performance_profile_by_hand() -> None:
    profile = performance_profile(
        np.array([[0.1, 0.5, 0.9, 1.0]]), np.array([0, 0.5, 1])
    )
    assert profile.tolist() == [1.0, 0.5, 0.0]


def test_probability_of_improvement_by_hand() -> None:
    ours, theirs = np.array([[2.0, 1.0]]), np.array([[1.0, 1.0], [3.0, 0.0]])
    # Instance 0: 2 > 1, 2 < 3; instance 1: a tie, 1 > 0. (1 + 0 + 0.5 + 1) / 4.
    assert improvement(ours, theirs).value == 0.625
    assert improvement(theirs, ours).value == 0.375


def test_profile_bands_by_hand() -> None:
    # Two runs that agree leave no doubt: half of the scores are above 0.5.
    same = np.array([[0.2, 0.8], [0.2, 0.8]])
    low, high = profile_band(same, np.array([0.5]))
    assert (low[0], high[0]) == (0.5, 0.5)
    # One instance, runs 0 and 1: both draws are 0 in a quarter of the resamples, so
    # the share above 0.5 is 0, 0.5 or 1, and 95 % of them reach from 0 to 1.
    low, high = profile_band(np.array([[0.0], [1.0]]), np.array([-1.0, 0.5, 2.0]))
    assert low.tolist() == [1, 0, 0]
    assert high.tolist() == [1, 1, 0]


def test_profile_bands_hold_the_profile_and_fall() -> None:
    scores = np.random.default_rng(0).uniform(size=(4, 30))
    thresholds = np.linspace(0, 1, 21)
    low, high = profile_band(scores, thresholds, seed=1)
    profile = performance_profile(scores, thresholds)
    assert (low <= profile).all()
    assert (profile <= high).all()
    assert (np.diff(low) <= 0).all()
    assert (np.diff(high) <= 0).all()


def test_improvement_by_hand() -> None:
    ours, theirs = np.array([[2.0, 1.0]]), np.array([[1.0, 1.0], [3.0, 0.0]])
    # Theirs is drawn anew: of instance 0 the wins are (1, 0), of instance 1 (½, 1).
    # Two draws of the former have the mean 0, ½ or 1, of the latter ½, ¾ or 1; their
    # mean is lowest, ¼, in 1/16 of the draws, highest, 1, in as many.
    estimate = improvement(ours, theirs)
    assert estimate.value == 0.625
    assert (estimate.low, estimate.high) == (0.25, 1.0)
    assert improvement(theirs, ours).value == 0.375


def test_improvement_of_single_runs_resamples_instances() -> None:
    # Better on one of two instances: the draws win on none, one or both.
    estimate = improvement(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
    assert estimate.value == 0.5
    assert (estimate.low, estimate.high) == (0, 1)


def test_improvement_covers_about_95_percent() -> None:
    # Normal scores of equal mean: the truth is one half.
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        ours, theirs = rng.normal(size=(2, 5, 20))
        estimate = improvement(ours, theirs, seed=trial, resamples=400)
        covered += estimate.low <= 0.5 <= estimate.high
    # Five runs are few, so the interval is a little narrow: 180 to 199 of 200.
    assert 180 <= covered <= 199


def test_bad_scores() -> None:
    with pytest.raises(ValueError, match=r"\[runs, instances\].*got \(3,\)"):
        bootstrap(np.zeros(3), mean)
    with pytest.raises(ValueError, match="same instances; got 2 and 3"):
        improvement(np.zeros((1, 2)), np.zeros((1, 3)))
