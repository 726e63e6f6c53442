"""Scenario sampling: one block of uniforms in, one scenario out."""

from mec_llm_env.sampling.fixed import PARAMETERS, noise_rises
from mec_llm_env.sampling.sampler import (
    EDGE,
    GAIN_LIMITS,
    ScenarioSampler,
    checked_batch_shape,
    checked_generator,
    is_fixed,
    sample_scenario,
    scenario_sampler,
)

__all__ = [
    "EDGE",
    "GAIN_LIMITS",
    "PARAMETERS",
    "ScenarioSampler",
    "checked_batch_shape",
    "checked_generator",
    "is_fixed",
    "noise_rises",
    "sample_scenario",
    "scenario_sampler",
]
