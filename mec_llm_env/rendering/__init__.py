"""Pictures of decisions, and a window that shows them. Needs the extra `render`."""

from gymnasium.error import DependencyNotInstalled

try:
    import matplotlib  # noqa: F401  asked here, once, before anything draws
except ImportError as error:
    raise DependencyNotInstalled(
        'Rendering needs matplotlib; install it with: pip install "mec-llm-env[render]"'
    ) from error

from mec_llm_env.rendering.decision import (
    NARROWEST_IN,
    SIZE,
    decision_figure,
    draw_decision,
)
from mec_llm_env.rendering.parts import Episode

__all__ = ["NARROWEST_IN", "SIZE", "Episode", "decision_figure", "draw_decision"]
