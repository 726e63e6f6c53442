import pytest

from dashf.pricing.bound import Problem
from dashf.pricing.branch_and_bound import Search
from dashf.pricing.dual import solve_dual
from dashf.pricing.price_search import search_prices
from mec_llm_env import ObjectiveConfig
from tests.dashf.cases import all_alike
from tests.dashf.extremes import random_configuration


def test_alike_users_and_servers_need_few_nodes():
    s = all_alike(5, 3)
    p = Problem.of(s, ObjectiveConfig())
    result = solve_dual(s, nodes=0)
    bound = result.bound
    search = Search(p, result.allocation, result.scr, float(bound.value), gap=1e-3)
    search.run(200)
    assert not search.open
    assert search.value <= search.scr * (1 + 1e-3)
    assert sorted(search.allocation.association.sum(axis=0)) == [1, 2, 2]


@pytest.mark.parametrize("seed", [7, 45, 145])
def test_more_nodes_never_loosen_the_bound(seed):
    s, objective = random_configuration(seed)
    values = [
        float(solve_dual(s, objective, nodes=n).bound.value) for n in (0, 10, 100)
    ]
    assert values[0] >= values[1] >= values[2] * (1 - 1e-9)


def test_a_node_is_bounded_like_the_root():
    s, objective = random_configuration(7)
    p = Problem.of(s, objective)
    prices = search_prices(p.options, p.constants, p.first_ratio())
    root, _ = p.certify(prices, 1e-5)
    result = solve_dual(s, objective, nodes=0)
    bound = result.bound
    assert root[0] == pytest.approx(float(bound.value), rel=1e-4)
    assert result.scr <= root[0]
