"""Solvers: DASHF, baselines and certified bounds for `mec_llm_env` scenarios."""
