"""What a cell is: the equations of one time step, and the weights they need."""

from typing import NamedTuple

import numpy as np
from sklearn.base import BaseEstimator

__all__ = ["Cell", "RecurrentWeights"]


class RecurrentWeights(NamedTuple):
    """The recurrent weights as most kernels want them."""

    recurrent: np.ndarray  # (H, G H)
    transposed: np.ndarray  # (G H, H)


class Cell(BaseEstimator):
    """One recurrent layer of H units with G gates; holds hyperparameters only.

    Its weights are arrays named "input" (I, G H), "recurrent" (H, G H) and, with a bias, "bias" (G H,); gate g
    of unit h stands in column g H + h.
    """

    #: G, the number of gates.
    n_gates = 1
    #: How many numbers a unit saves for the derivative.
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
        """The kernels (forward, backward) that :func:`~seqmodels.rnn.recurrence.unroll` made of the cell."""
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

    def packed(self, recurrent):
        """The recurrent weights (H, G H) as the kernels want them."""
        return RecurrentWeights(recurrent, np.ascontiguousarray(recurrent.T))

    def recurrent_gradient(self, before, saved, d_recurrent):
        """Gradient (H, G H) of the recurrent weights over all M rows, one product.

        Parameters
        ----------
        before : array (M, H)
            Hidden states one step before each row.
        saved : array (M, n_saved H)
        d_recurrent : array (M, G H)
            Gradients of the recurrent products.
        """
        return before.T @ d_recurrent
