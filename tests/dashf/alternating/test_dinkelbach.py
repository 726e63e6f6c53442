import pytest

from dashf.alternating.dinkelbach import dinkelbach
from dashf.result import Status

# (N, D) of four points; the ratios are 2, 3, 2.5 and 1.
POINTS = [(2.0, 1.0), (6.0, 2.0), (10.0, 4.0), (1.0, 1.0)]


def best_of_all(point, ratio):
    return max(POINTS, key=lambda p: p[0] - ratio * p[1])


def test_finds_the_best_ratio_of_a_finite_set_by_hand():
    rows = []
    result = dinkelbach(
        lambda p: p,
        best_of_all,
        POINTS[3],
        on_iteration=lambda point, ratio: rows.append((point, ratio)),
    )
    # y = 1: surpluses 1, 4, 6, 0, so (10, 4), y = 2.5: −0.5, 1, 0, so (6, 2), y = 3.
    assert rows == [((10.0, 4.0), 1.0), ((6.0, 2.0), 2.5), ((6.0, 2.0), 3.0)]
    assert (result.point, result.ratio) == ((6.0, 2.0), 3.0)
    assert (result.status, result.iterations) == (Status.CONVERGED, 3)


def test_converges_on_an_interval():
    # (1 + x)/(1 + x²) is highest at x = √2 − 1, where it is (1 + √2)/2.
    def improve(x, y):  # maximises 1 + x − y (1 + x²)
        return 1 / (2 * y)

    result = dinkelbach(lambda x: (1 + x, 1 + x * x), improve, 3.0, tolerance=1e-14)
    assert result.ratio == pytest.approx((1 + 2**0.5) / 2, rel=1e-12)
    assert result.point == pytest.approx(2**0.5 - 1, rel=1e-6)


def test_a_worse_step_is_not_taken():
    result = dinkelbach(lambda p: p, lambda point, ratio: POINTS[3], POINTS[1])
    assert (result.point, result.ratio, result.iterations) == (POINTS[1], 3.0, 1)


def test_a_failure_keeps_the_best_point():
    answers = iter([POINTS[2], None])
    result = dinkelbach(lambda p: p, lambda point, ratio: next(answers), POINTS[3])
    assert (result.point, result.status) == (POINTS[2], Status.SOLVER_FAILED)


def test_the_limit_of_iterations_is_reported():
    result = dinkelbach(lambda p: p, best_of_all, POINTS[3], max_iterations=1)
    assert (result.status, result.iterations) == (Status.ITERATION_LIMIT, 1)


def test_a_denominator_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match=r"denominator .* must be positive; got 0.0"):
        dinkelbach(lambda p: p, best_of_all, (1.0, 0.0))
