"""Hidden Markov models."""

from .model import HMM
from .transitions import Ergodic

__all__ = ["HMM", "Ergodic"]
