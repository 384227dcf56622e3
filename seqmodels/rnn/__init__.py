"""Recurrent networks."""

from .cells import GRU, LSTM, Cell, CoupledLSTM, Elman, LayerNormLSTM, PeepholeLSTM, ProjectedLSTM
from .embedding import Embedding
from .model import RNN
from .optimizers import SGD, Adagrad, Adam, AdamW, RMSProp
from .schedules import ExponentialDecay, HalveOnRise, OnPlateau

__all__ = [
    "GRU", "LSTM", "RNN", "SGD", "Adagrad", "Adam", "AdamW", "Cell", "CoupledLSTM", "Elman", "Embedding",
    "ExponentialDecay", "HalveOnRise", "LayerNormLSTM", "OnPlateau", "PeepholeLSTM", "ProjectedLSTM", "RMSProp",
]  # fmt: skip
