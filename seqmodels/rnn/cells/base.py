"""What a cell is: the equations of one time step, and the weights they need."""

from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from ...products import pack, pack_transposed, padded
from ...simd import panel_width
from ..recurrence import in_blocks, units_in_block

__all__ = ["Cell", "RecurrentWeights"]


class RecurrentWeights(NamedTuple):
    """The recurrent weights as most kernels want them."""

    recurrent: np.ndarray  # (H, G H) in panels
    transposed: np.ndarray  # (G H, H) in panels


class Cell(BaseEstimator):
    """One recurrent layer of H units with G gates; holds hyperparameters only.

    Its weights are arrays named "input" (I, G H), "recurrent" (H, G H) and, with a bias, "bias" (G H,); gate g
    of unit h stands in column g H + h.
    """

    #: G, the number of gates.
    n_gates = 1
    #: How many numbers a unit saves for the derivative, beside its gates.
    n_saved = 0
    #: Whether there is a memory beside the hidden state.
    has_memory = False
    #: Whether input and recurrent product enter as a sum, so that their gradients are the same array.
    additive = True

    def check(self):
        """Raise a ValueError where a hyperparameter is out of range."""
        if not (isinstance(self.n_hidden, int | np.integer) and self.n_hidden >= 1):
            raise ValueError(f"n_hidden is {self.n_hidden!r}; integers from 1 are accepted")

    def kernels(self):
        """The :class:`~seqmodels.rnn.recurrence.Kernels` that ``unroll`` made of the cell."""
        raise TypeError(f"{type(self).__name__} does not define kernels")

    @property
    def n_memory(self):
        """Width of the memory."""
        return self.n_hidden if self.has_memory else 0

    def weight_shapes(self, n_inputs):
        """Shape of each weight, by name."""
        H, G = self.n_hidden, self.n_gates
        shapes = {"input": (n_inputs, G * H), "recurrent": (H, G * H)}
        return shapes | ({"bias": (G * H,)} if self.bias else {})

    def initial_weights(self, n_inputs, generator):
        """Weights to start from, uniform in ±1 / sqrt(H)."""
        bound = 1 / np.sqrt(self.n_hidden)
        return {
            name: generator.uniform(-bound, bound, shape) for name, shape in self.weight_shapes(n_inputs).items()
        }

    def packed(self, weights, arena, derivative):
        """The recurrent weights as the kernels want them.

        Parameters
        ----------
        weights : dict of arrays by name
        arena : Arena
            Where memory comes from.
        derivative : bool
            Whether what only the derivative needs is packed too.
        """
        H, width = self.n_hidden, panel_width(weights["recurrent"].dtype)
        columns = arena.once("columns", lambda: in_blocks(H, self.n_gates, width))
        return RecurrentWeights(*packed_both_ways(weights["recurrent"], arena, derivative, "recurrent", columns))

    def scratch_shape(self, n, width):
        """Shape of the working space of a step with n sequences, where a panel has so many columns."""
        return n, padded(self.n_gates * units_in_block(self.n_hidden, width), width)

    def recurrent_gradient(self, before, saved, d_recurrent, out):
        """Gradients of the recurrent weights over all M rows, each one product, written to `out` by name.

        Parameters
        ----------
        before : array (M, H)
            Hidden states one step before each row.
        saved : array (M, n_saved H)
        d_recurrent : array (M, G H)
            Gradients of the recurrent products.
        out : dict of arrays
        """
        np.dot(before.T, d_recurrent, out=out["recurrent"])


def packed_both_ways(matrix, arena, derivative, name, columns=None):
    """A matrix (K, J) in panels, its columns in any order, and its transpose: left empty without `derivative`."""
    K, J = matrix.shape
    columns = np.arange(J) if columns is None else columns
    panels = arena.panels((name, "packed"), K, len(columns), matrix.dtype)
    transposed = arena.panels((name, "transposed"), J, K if derivative else 0, matrix.dtype)
    pack(matrix, columns, panels)
    if derivative:
        pack_transposed(matrix, transposed)
    return panels, transposed
