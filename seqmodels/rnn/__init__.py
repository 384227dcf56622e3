"""Recurrent networks."""

from .cells import GRU, LSTM, Cell, CoupledLSTM, Elman, LayerNormLSTM, PeepholeLSTM, ProjectedLSTM
from .model import RNN
from .optimizers import SGD, Adagrad, Adam, AdamW, RMSProp

__all__ = [
    "GRU", "LSTM", "RNN", "SGD", "Adagrad", "Adam", "AdamW", "Cell", "CoupledLSTM", "Elman", "LayerNormLSTM",
    "PeepholeLSTM", "ProjectedLSTM", "RMSProp",
]  # fmt: skip
