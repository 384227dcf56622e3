"""What a cell is: the equations of one time step, and the weights they need."""

from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

from ...checks import check_count
from ...products import aligned, pack, pack_transposed, padded, panels_for
from ...simd import panel_width
from ..initialisation import KINDS, initial
from ..units import Axis, in_blocks, units_in_block, wide_row

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

    Every cell takes ``init``, what these arrays start from: ``"uniform"`` in ±1 / sqrt(H), biases too, as in PyTorch;
    ``"glorot"``, matrices uniform in ±sqrt(6 / (rows + columns)), gate by gate (Glorot & Bengio 2010);
    ``"orthogonal"``, recurrent matrices orthogonal (Saxe et al. 2014), those of inputs as with glorot; ``"sparse"``,
    15 recurrent weights into each unit, of spectral radius 0.95, and inputs of standard deviation 0.01 (the "smart
    tanh" of Pascanu et al. 2013). But for uniform ones, biases start from zero.
    """

    #: G, the number of gates.
    n_gates = 1
    #: How many numbers a unit saves for the derivative, beside its gates.
    n_saved = 0
    #: How many memories a unit keeps beside its hidden state.
    n_memories = 0
    #: The number of the gate whose bias starts at the hyperparameter `forget_bias`, of cells that have one.
    forget_gate = None
    #: Whether gradients reach the step before through one matrix only, for RNN(jacobian_penalty=...).
    one_way_back = False
    #: Whether input and recurrent product enter as a sum, so that their gradients are the same array.
    additive = True

    def check(self):
        """Raise a ValueError where a hyperparameter is out of range."""
        check_count("n_hidden", self.n_hidden)
        self.check_choice("init", KINDS)

    def check_choice(self, name, accepted):
        """Raise a ValueError where a hyperparameter is none of those accepted."""
        value = getattr(self, name)
        if value not in accepted:
            raise ValueError(f"{name} is {value!r}; {', '.join(map(repr, accepted))} are accepted")

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
        return Axis(self.n_memories, self.n_hidden)

    def recurrent_axes(self):
        """The recurrent weights by name: the axes of each array, rows and columns or only the latter."""
        return {"recurrent": (Axis(1, self.n_outputs), Axis(self.n_gates, self.n_hidden))}

    def axes(self, n_inputs):
        """The axes of each weight, by name."""
        gates = Axis(self.n_gates, self.n_hidden)
        axes = {"input": (Axis(1, n_inputs), gates)} | self.recurrent_axes()
        return axes | ({"bias": (gates,)} if self.bias else {})

    def weight_shapes(self, n_inputs):
        """Shape of each weight, by name."""
        return {name: tuple(axis.length for axis in axes) for name, axes in self.axes(n_inputs).items()}

    def initial_weights(self, n_inputs, generator):
        """Weights to start from: as `init` says, but for the forget gate's bias."""
        bound, H = 1 / np.sqrt(self.n_hidden), self.n_hidden
        axes = self.axes(n_inputs)
        weights = {name: initial(self.init, name, own, bound, generator) for name, own in axes.items()}
        if "bias" in weights and self.forget_gate is not None:
            weights["bias"][self.forget_gate * H : (self.forget_gate + 1) * H] = self.forget_bias
        return weights

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
        both = packed_both_ways(matrix, *axes["recurrent"], derivative, calls, blocks)
        return RecurrentWeights(*both, row_of_vectors(weights, axes, calls))

    def scratch_shape(self, n, n_units, width):
        """Shape of the working space of a step with n sequences and so many units, a panel of so many columns."""
        return n, padded(self.n_gates * units_in_block(n_units, width), width)


def row_of_vectors(weights, axes, calls):
    """The one of the recurrent weights that is a vector, as a row with the padding, or a row without columns."""
    for name, own in axes.items():
        if len(own) == 1:
            return wide_row(weights[name], own[0], calls)
    return aligned((1, 0), weights["recurrent"].dtype)


def packed_both_ways(matrix, rows, columns, derivative, calls, order=None):
    """Recurrent weights in panels, with the padding, and their transpose.

    Parameters
    ----------
    matrix : array
    rows, columns : Axis
    derivative : bool
        Whether the transpose is wanted; it is left empty otherwise.
    calls : list
        Takes what is to be done whenever the matrix has changed.
    order : array of int, optional
        The columns of the wide matrix in the order in which they are packed, -1 where there is none.
    """
    if rows.n_blocks > 1:
        matrix = _with_padded_rows(matrix, rows, calls)
    entries = columns.entries
    ordered = entries if order is None else np.where(order < 0, -1, entries[order])
    panels = panels_for(rows.wide, len(ordered), matrix.dtype)
    transposed = panels_for(columns.wide, rows.wide if derivative else 0, matrix.dtype)
    calls.append((pack, (matrix, ordered, rows.wide, panels)))
    if derivative:
        calls.append((pack_transposed, (matrix, entries, transposed)))
    return panels, transposed


def _with_padded_rows(matrix, rows, calls):
    """Room for a matrix in which each block of rows is padded; its numbers are noted among the `calls`."""
    wide = aligned((rows.wide, matrix.shape[1]), matrix.dtype)
    own = wide.reshape(rows.n_blocks, rows.block, -1)[:, : rows.n_units]
    calls.append((np.copyto, (own, matrix.reshape(own.shape))))
    return wide
