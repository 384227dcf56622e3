"""Hidden Markov models and recurrent networks side by side."""

from .baselines import Independent
from .sequences import Sequences

__version__ = "0.1.0.dev0"

__all__ = ["Independent", "Sequences"]
