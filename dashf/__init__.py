"""Solvers: DASHF, baselines and certified bounds for `mec_llm_env` scenarios."""

from dashf.alternating.algorithm import DashfConfig, solve
from dashf.alternating.association import (
    AssociationProblem,
    Relaxation,
    candidates,
    minorise,
    propose,
    relax,
    round_assignment,
)
from dashf.alternating.baselines import (
    solve_aauco,
    solve_edge,
    solve_gucro,
    solve_local,
)
from dashf.alternating.continuous import optimise_continuous
from dashf.alternating.dinkelbach import DinkelbachResult, dinkelbach
from dashf.alternating.resources import ResourceResult, allocate, shadow_prices
from dashf.pair.best_response import BestResponse, best_response
from dashf.pair.coefficients import local_frequency
from dashf.policy import SolverPolicy
from dashf.pricing.bound import Bound
from dashf.pricing.dual import gap, solve_dual, solve_dual_batch, upper_bound
from dashf.pricing.exact import solve_exact
from dashf.pricing.sharing import share_resources
from dashf.registry import SOLVERS, decide
from dashf.result import Iteration, SolveResult, Status

__all__ = [
    "SOLVERS",
    "AssociationProblem",
    "BestResponse",
    "Bound",
    "DashfConfig",
    "DinkelbachResult",
    "Iteration",
    "Relaxation",
    "ResourceResult",
    "SolveResult",
    "SolverPolicy",
    "Status",
    "allocate",
    "best_response",
    "candidates",
    "decide",
    "dinkelbach",
    "gap",
    "local_frequency",
    "minorise",
    "optimise_continuous",
    "propose",
    "relax",
    "round_assignment",
    "shadow_prices",
    "share_resources",
    "solve",
    "solve_aauco",
    "solve_dual",
    "solve_dual_batch",
    "solve_edge",
    "solve_exact",
    "solve_gucro",
    "solve_local",
    "upper_bound",
]
