"""Hidden Markov models and recurrent networks side by side."""

from .baselines import Independent, MarkovChain
from .comparison import compare
from .hmm import HMM
from .rnn import RNN
from .sequences import Sequences

__version__ = "0.1.0.dev0"

__all__ = ["HMM", "RNN", "Independent", "MarkovChain", "Sequences", "compare"]
