"""Pairwise comparisons: the probability that one agent beats another."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from agents.evaluation.results import AgentResult
from agents.evaluation.statistics import Estimate, improvement


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """Two agents and the probability that the first beats the second."""

    better: str
    worse: str
    probability: Estimate


def all_pairs(results: Sequence[AgentResult]) -> list[Pair]:
    """Returns every pair, in both orders."""
    pairs = []
    for one, other in itertools.combinations(results, 2):
        p = improvement(one.scr, other.scr, seed=one.seed)
        reverse = Estimate(value=1 - p.value, low=1 - p.high, high=1 - p.low)
        pairs.append(Pair(better=one.label, worse=other.label, probability=p))
        pairs.append(Pair(better=other.label, worse=one.label, probability=reverse))
    return pairs


def shown_pairs(results: Sequence[AgentResult], pairs: Sequence[Pair]) -> list[Pair]:
    """Returns the pairs that are drawn: neighbours in the order, and variants.

    Neighbours show whether a rank is significant; a variant, such as "ppo set",
    is compared with the plain algorithm.

    Args:
        results: of all agents, best first.
        pairs: `all_pairs` of them.
    """
    known = {(pair.better, pair.worse): pair for pair in pairs}
    trained = [result.label for result in results if result.is_trained]
    neighbours = itertools.pairwise(result.label for result in results)
    wanted = [pair for pair in neighbours if set(pair) & set(trained)]
    variants = [(label, label.split()[0]) for label in trained if " " in label]
    wanted += [pair for pair in variants if pair not in wanted and pair in known]
    return [known[pair] for pair in wanted]
