"""Recurrent networks."""

from .cells import GRU, LSTM, Cell, Elman
from .embedding import Embedding
from .model import RNN
from .optimizers import SGD, Adagrad, Adam, AdamW, RMSProp

__all__ = ["GRU", "LSTM", "RNN", "SGD", "Adagrad", "Adam", "AdamW", "Cell", "Elman", "Embedding", "RMSProp"]
