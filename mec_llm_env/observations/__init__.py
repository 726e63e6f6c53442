"""Observations: a lossless float32 encoding of a scenario, and back.

`columns` says which numbers, `tokens` how they are laid out, `shared` what is left out
because all scenarios of an environment have it.
"""

from mec_llm_env.observations.codec import ObservationCodec
from mec_llm_env.observations.columns import (
    LIMIT,
    OBSERVABLE,
    SERVER_FEATURES,
    USER_FEATURES,
)
from mec_llm_env.observations.shared import Shared
from mec_llm_env.observations.tokens import ENCODINGS

__all__ = [
    "ENCODINGS",
    "LIMIT",
    "OBSERVABLE",
    "SERVER_FEATURES",
    "USER_FEATURES",
    "ObservationCodec",
    "Shared",
]
