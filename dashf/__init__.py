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
from dashf.continuous import optimise_continuous
from dashf.dinkelbach import DinkelbachResult, dinkelbach
from dashf.optimised_baselines import (
    solve_aauco,
    solve_edge,
    solve_gucro,
    solve_local,
)
from dashf.policy import SolverPolicy
from dashf.registry import SOLVERS, decide
from dashf.resources import ResourceResult, allocate, local_frequency, shadow_prices
from dashf.result import Iteration, SolveResult, Status

__all__ = [
    "SOLVERS",
    "AssociationProblem",
    "DashfConfig",
    "DinkelbachResult",
    "Iteration",
    "Relaxation",
    "ResourceResult",
    "SolveResult",
    "SolverPolicy",
    "Status",
    "allocate",
    "candidates",
    "decide",
    "dinkelbach",
    "local_frequency",
    "minorise",
    "optimise_continuous",
    "propose",
    "relax",
    "round_assignment",
    "shadow_prices",
    "solve",
    "solve_aauco",
    "solve_edge",
    "solve_gucro",
    "solve_local",
]
