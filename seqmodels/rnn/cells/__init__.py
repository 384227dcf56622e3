"""Cells: the equations of one time step and their derivative, one file each."""

from .base import Cell
from .elman import Elman
from .gru import GRU
from .lstm import LSTM

__all__ = ["GRU", "LSTM", "Cell", "Elman"]
