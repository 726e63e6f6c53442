"""Block 1, who is served where: the Hungarian step."""

from mec_llm_env.assignment import round_assignment

__all__ = ["round_assignment"]
