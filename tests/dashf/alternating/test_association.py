import dataclasses

import numpy as np
import pytest

from dashf.alternating.association import (
    formulation_of,
    minorise,
    offers,
    other_split,
    propose,
    relax,
)
from dashf.alternating.continuous import optimise_continuous
from dashf.alternating.resources import shadow_prices
from dashf.common.capacity import fit_capacity
from dashf.pair.split import Offers, pair_terms
from mec_llm_env import evaluate
from tests.dashf.cases import (
    OBJECTIVE,
    OBJECTIVES,
    assert_feasible,
    benchmark_scenario,
    failing_solver,
    improve_resources,
    random_allocation,
    start,
)


def optimised(number, **overrides):
    s = benchmark_scenario(number, **overrides)
    result = improve_resources(s, start(s), OBJECTIVE)
    y = float(evaluate(s, result.allocation, OBJECTIVE).scr)
    return s, result.allocation, y


def test_a_user_keeps_what_it_has_and_pays_for_it():
    s, z, y = optimised(1)
    options, here = offers(s, z, OBJECTIVE, y), z.association > 0
    assert np.array_equal(options.bandwidth_hz[here], z.bandwidth_hz)
    assert np.array_equal(options.transmit_power_w[here], z.transmit_power_w)
    band_price, compute_price = shadow_prices(s, z, OBJECTIVE, ratio=y)
    rent = (
        band_price * options.bandwidth_hz / s.bandwidth_max_hz
        + compute_price * options.server_frequency_hz / s.server_frequency_max_hz
    )
    assert options.rent == pytest.approx(rent)
    # A server's users together pay for what it has in use.
    paid = (options.rent * z.association).sum()
    used = z.association.T @ z.server_frequency_hz / s.server_frequency_max_hz
    assert paid == pytest.approx((band_price + compute_price * used).sum())


def test_offers_are_at_least_as_good_as_equal_shares():
    s, z, y = optimised(1)
    share = 1 / (z.association.sum(axis=0) + 1)
    options = offers(s, z, OBJECTIVE, y)
    band_price, compute_price = shadow_prices(s, z, OBJECTIVE, ratio=y)
    power_w = np.broadcast_to(s.transmit_power_max_w[:, None], options.rent.shape)
    equal = Offers(
        transmit_power_w=power_w,
        bandwidth_hz=s.bandwidth_max_hz * share + 0 * power_w,
        server_frequency_hz=s.server_frequency_max_hz * share + 0 * power_w,
        rent=(band_price + compute_price) * share + 0 * power_w,
    )
    values = []
    for offered in (options, equal):
        terms = pair_terms(s, offered, z.user_frequency_hz, OBJECTIVE)
        box = s.local_fraction_min[:, None], s.local_fraction_max[:, None]
        values.append(terms.value(terms.best_split(y, *box), y))
    elsewhere = z.association == 0
    assert (values[0] >= values[1] - 1e-6)[elsewhere].all()
    assert (values[0] > values[1] + 1e-2)[elsewhere].any()


def test_an_empty_server_offers_all_it_has_for_nothing():
    s = benchmark_scenario(0)
    z = start(s)
    z = dataclasses.replace(z, association=np.eye(2)[np.zeros(10, dtype=int)])
    z = dataclasses.replace(
        z, bandwidth_hz=np.full(10, 1e6), server_frequency_hz=np.full(10, 1e8)
    )
    options = offers(s, z, OBJECTIVE, 80.0)
    assert (options.rent[:, 1] == 0).all()
    assert (options.rent[:, 0] > 0).all()
    assert options.bandwidth_hz[:, 1] == pytest.approx(s.bandwidth_max_hz[1])
    compute = options.server_frequency_hz[:, 1] / s.server_frequency_max_hz[1]
    # All of it would cost more energy than it is worth.
    assert ((compute > 0.1) & (compute < 1)).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_minoriser_touches_from_below(objective):
    s, rng = benchmark_scenario(4), np.random.default_rng(0)
    z = random_allocation(s, rng)
    options = offers(s, z, objective, 80.0)
    terms = pair_terms(s, options, z.user_frequency_hz, objective)
    problem = minorise(terms, s, z.local_fraction, 80.0)

    def minoriser(split):
        square = problem.curvature[:, None] * split**2 / 2
        return problem.constant + problem.linear * split - square

    here = z.local_fraction[:, None]
    assert minoriser(here) == pytest.approx(terms.value(here, 80.0), rel=1e-10)
    for _ in range(20):
        split = rng.uniform(s.local_fraction_min, s.local_fraction_max)[:, None]
        assert (minoriser(split) <= terms.value(split, 80.0) + 1e-9).all()


@pytest.mark.parametrize("max_users", [None, 6])
def test_formulations_propose_the_same_on_a_real_scenario(max_users):
    s, z, y = optimised(5, **{"server.max_users": max_users})
    options = offers(s, z, OBJECTIVE, y)
    terms = pair_terms(s, options, z.user_frequency_hz, OBJECTIVE)
    problem = minorise(terms, s, z.local_fraction, y)
    relaxed = [relax(problem, kind) for kind in ("sparse", "full", "closed_form")]
    values = [r.value for r in relaxed]
    assert values == pytest.approx([values[2]] * 3, rel=1e-6)
    rounded = [r.association.argmax(axis=-1).tolist() for r in relaxed]
    assert rounded[0] == rounded[1] == rounded[2]


@pytest.mark.parametrize("sdr", ["sparse", "closed_form"])
def test_a_proposal_is_feasible_and_moves_those_who_gain(sdr):
    s, z, y = optimised(5)
    options = offers(s, z, OBJECTIVE, y)
    proposed = propose(s, z, OBJECTIVE, y, options, sdr=sdr)
    assert_feasible(s, proposed)
    moved = (proposed.association != z.association).any(axis=-1)
    assert moved.any()
    terms = pair_terms(s, options, z.user_frequency_hz, OBJECTIVE)
    box = s.local_fraction_min[:, None], s.local_fraction_max[:, None]
    value = terms.value(terms.best_split(y, *box), y)
    gain = ((proposed.association - z.association) * value).sum(axis=-1)
    assert (gain[moved] > 0).all()


def test_block_1_does_without_the_solvers_where_they_fail(monkeypatch):
    s, z, y = optimised(5)
    options = offers(s, z, OBJECTIVE, y)
    expected = propose(s, z, OBJECTIVE, y, options, sdr="closed_form")
    log = failing_solver(monkeypatch, "CLARABEL", "SCS")
    proposal = propose(s, z, OBJECTIVE, y, options, sdr="sparse")
    assert log == ["CLARABEL", "SCS"]
    assert np.array_equal(proposal.association, expected.association)


def test_auto_fits_the_formulation_to_the_size():
    assert formulation_of("auto", benchmark_scenario(0)) == "sparse"
    large = benchmark_scenario(0, "medium-50x10")
    assert formulation_of("auto", large) == "closed_form"
    assert formulation_of("full", large) == "full"
    assert formulation_of("full", benchmark_scenario(0, servers=1)) == "closed_form"


def test_another_split_leaves_a_local_optimum():
    s = benchmark_scenario(6, "tiny-4x2")
    z = dataclasses.replace(
        start(s),
        association=np.eye(2)[[0, 1, 1, 1]],
        local_fraction=np.array([0.9375, 0.3, 0.3, 0.3]),
    )
    z = optimise_continuous(s, fit_capacity(s, z), OBJECTIVE, tolerance=1e-9)
    assert z.point[0].local_fraction[0] == 0.9375
    other = other_split(s, z.point[0], OBJECTIVE, z.scr)
    assert_feasible(s, other)
    assert np.array_equal(other.association, z.point[0].association)
    better = optimise_continuous(s, other, OBJECTIVE)
    assert better.scr > z.scr * 1.01
    # There nobody would change.
    assert other_split(s, better.point[0], OBJECTIVE, better.scr) is None
