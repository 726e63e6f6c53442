"""Solvers: DASHF, baselines and certified bounds for `mec_llm_env` scenarios."""

from dashf.alternating.config import DashfConfig
from dashf.alternating.resources import shadow_prices
from dashf.encoding import AssociationCodec
from dashf.explanation import Explanation, explain
from dashf.pair.best_response import BestResponse, best_response
from dashf.pair.coefficients import local_frequency
from dashf.policy import SolverPolicy
from dashf.pricing.dual import gap, upper_bound
from dashf.pricing.sharing import share_resources
from dashf.registry import SOLVERS, solve, solve_batch
from dashf.result import BatchResult, Bound, Iteration, SolveResult, Status
from dashf.sequential.lookahead import LookaheadPolicy
from dashf.sequential.plan import Plan, plan, trajectory_bound
from mec_llm_env.actions import register_encoding

__all__ = [
    "SOLVERS",
    "AssociationCodec",
    "BatchResult",
    "BestResponse",
    "Bound",
    "DashfConfig",
    "Explanation",
    "Iteration",
    "LookaheadPolicy",
    "Plan",
    "SolveResult",
    "SolverPolicy",
    "Status",
    "best_response",
    "explain",
    "gap",
    "local_frequency",
    "plan",
    "shadow_prices",
    "share_resources",
    "solve",
    "solve_batch",
    "trajectory_bound",
    "upper_bound",
]

register_encoding("association", AssociationCodec)
