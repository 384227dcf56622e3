"""Cells: the equations of one time step and their derivative, one file each."""

from .base import Cell
from .coupled_lstm import CoupledLSTM
from .elman import Elman
from .gru import GRU
from .layer_norm_lstm import LayerNormLSTM
from .lstm import LSTM
from .peephole_lstm import PeepholeLSTM
from .projected_lstm import ProjectedLSTM

__all__ = ["GRU", "LSTM", "Cell", "CoupledLSTM", "Elman", "LayerNormLSTM", "PeepholeLSTM", "ProjectedLSTM"]
