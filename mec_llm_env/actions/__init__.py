"""Actions: one decoder to a feasible `Allocation`, four encodings of its input."""

from mec_llm_env.actions.codec import (
    ENCODINGS,
    LEVELS,
    ActionCodec,
    choose_association,
)
from mec_llm_env.actions.decoder import RESOURCES, decode_resources
from mec_llm_env.actions.registry import make_codec, register_encoding

__all__ = [
    "ENCODINGS",
    "LEVELS",
    "RESOURCES",
    "ActionCodec",
    "choose_association",
    "decode_resources",
    "make_codec",
    "register_encoding",
]
