"""What a cell is: the equations of one time step, and the weights they need."""

from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from ...products import aligned, pack, pack_transposed, padded, panels_for
from ...simd import panel_width
from ..units import Axis, in_blocks, units_in_block, wide_columns, wide_row

__all__ = ["Cell", "RecurrentWeights"]


class RecurrentWeights(NamedTuple):
    """The recurrent weights as most kernels want them."""

    recurrent: np.ndarray  # (H, G H) in panels
    transposed: np.ndarray  # (G H, H) in panels
    vectors: np.ndarray  # (1, H times their number), weights that each unit has for itself


class Cell(BaseEstimator):
    """One recurrent layer of H units with G gates; holds hyperparameters only.

    Its weights are arrays named "input" (I, G H), "recurrent" (H, G H) and, with a bias, "bias" (G H,); gate g
    of unit h stands in column g H + h. A cell may have other recurrent weights, see :meth:`recurrent_axes`.
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
    def n_outputs(self):
        """Width of the hidden state that the layer hands up and on."""
        return self.n_hidden

    @property
    def memory(self):
        """The :class:`~seqmodels.rnn.units.Axis` along which memories stand."""
        return Axis(int(self.has_memory), self.n_hidden)

    def recurrent_axes(self):
        """The recurrent weights by name: the axes of each array, rows and columns or only the latter."""
        return {"recurrent": (Axis(1, self.n_outputs), Axis(self.n_gates, self.n_hidden))}

    def weight_shapes(self, n_inputs):
        """Shape of each weight, by name."""
        n_columns = self.n_gates * self.n_hidden
        shapes = {"input": (n_inputs, n_columns)}
        for name, axes in self.recurrent_axes().items():
            shapes[name] = tuple(axis.length for axis in axes)
        return shapes | ({"bias": (n_columns,)} if self.bias else {})

    def initial_weights(self, n_inputs, generator):
        """Weights to start from, uniform in ±1 / sqrt(H)."""
        bound = 1 / np.sqrt(self.n_hidden)
        return {name: generator.uniform(-bound, bound, shape) for name, shape in self.weight_shapes(n_inputs).items()}

    def packed(self, weights, width, derivative, calls):
        """The recurrent weights as the kernels want them; vectors stand side by side.

        Parameters
        ----------
        weights : dict of arrays by name
        width : int
            Units with the padding, a multiple of :data:`~seqmodels.rnn.units.UNITS`.
        derivative : bool
            Whether what only the derivative needs is packed too.
        calls : list
            Takes pairs of a function and its arguments: what is to be done whenever the weights have changed.
        """
        matrix, axes = weights["recurrent"], self.recurrent_axes()
        blocks = in_blocks(width, self.n_gates, panel_width(matrix.dtype))
        vectors = [wide_row(weights[name], own[0], calls) for name, own in axes.items() if len(own) == 1]
        vectors = vectors[0] if vectors else aligned((1, 0), matrix.dtype)
        return RecurrentWeights(*packed_both_ways(matrix, self.n_gates, width, derivative, calls, blocks), vectors)

    def scratch_shape(self, n, n_units, width):
        """Shape of the working space of a step with n sequences and so many units, a panel of so many columns."""
        return n, padded(self.n_gates * units_in_block(n_units, width), width)


def packed_both_ways(matrix, n_gates, width, derivative, calls, order=None):
    """Recurrent weights (h, G h) in panels as (H, G H), H the width with the padding, and their transpose.

    Parameters
    ----------
    matrix : array (h, G h)
    n_gates, width : int
    derivative : bool
        Whether the transpose is wanted; it is left empty otherwise.
    calls : list
        Takes what is to be done whenever the matrix has changed.
    order : array of int, optional
        The columns of the wide matrix in the order in which they are packed, -1 where there is none.
    """
    columns = wide_columns(len(matrix), n_gates, width)
    ordered = columns if order is None else np.where(order < 0, -1, columns[order])
    panels = panels_for(width, len(ordered), matrix.dtype)
    transposed = panels_for(n_gates * width, width if derivative else 0, matrix.dtype)
    calls.append((pack, (matrix, ordered, width, panels)))
    if derivative:
        calls.append((pack_transposed, (matrix, columns, transposed)))
    return panels, transposed
