"""Hidden Markov models."""

from .model import HMM
from .semi_markov import SemiMarkovHMM
from .transitions import Ergodic

__all__ = ["HMM", "Ergodic", "SemiMarkovHMM"]
