"""Solvers: DASHF, baselines and certified bounds for `mec_llm_env` scenarios."""

from dashf.algorithm import DashfConfig, solve
from dashf.association import (
    AssociationProblem,
    Relaxation,
    candidates,
    minorise,
    propose,
    relax,
    round_assignment,
)
from dashf.bounds import Bound
from dashf.continuous import optimise_continuous
from dashf.dinkelbach import DinkelbachResult, dinkelbach
from dashf.dual import gap, solve_dual, solve_dual_batch, upper_bound
from dashf.exact import solve_exact
from dashf.optimised_baselines import (
    solve_aauco,
    solve_edge,
    solve_gucro,
    solve_local,
)
from dashf.policy import SolverPolicy
from dashf.prices import BestResponse, best_response
from dashf.registry import SOLVERS, decide
from dashf.resources import ResourceResult, allocate, local_frequency, shadow_prices
from dashf.result import Iteration, SolveResult, Status
from dashf.sharing import share_resources

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
