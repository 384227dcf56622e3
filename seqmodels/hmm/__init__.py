"""Hidden Markov models."""

from .model import HMM
from .transitions import Ergodic, LeftToRight, Sticky

__all__ = ["HMM", "Ergodic", "LeftToRight", "Sticky"]
