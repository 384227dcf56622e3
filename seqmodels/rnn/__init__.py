"""Recurrent networks."""

from .cells import GRU, LSTM, Cell, Elman
from .model import RNN
from .optimizers import SGD, Adam

__all__ = ["GRU", "LSTM", "RNN", "SGD", "Adam", "Cell", "Elman"]
