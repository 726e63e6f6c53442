"""Solvers: DASHF, baselines and certified bounds for `mec_llm_env` scenarios."""

from dashf.bounds import Bound, gap, upper_bound
from dashf.dual import solve_dual, solve_dual_batch
from dashf.exact import solve_exact
from dashf.prices import BestResponse, best_response
from dashf.sharing import share_resources

__all__ = [
    "BestResponse",
    "Bound",
    "best_response",
    "gap",
    "share_resources",
    "solve_dual",
    "solve_dual_batch",
    "solve_exact",
    "upper_bound",
]
