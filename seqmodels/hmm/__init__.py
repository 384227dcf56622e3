"""Hidden Markov models."""

from .model import HMM
from .semi_markov import SemiMarkovHMM
from .transitions import Ergodic, LeftToRight, Sticky

__all__ = ["HMM", "Ergodic", "LeftToRight", "SemiMarkovHMM", "Sticky"]
