"""A vector that conditions a whole sequence: it gives the lowest layer a bias for each sequence, computed once."""

import numpy as np

from ..jit import kernel
from .inputs import centre_and_scale, standardised
from .units import Axis

__all__ = ["ContextInput", "add_up_steps"]


class ContextInput:
    """The context of sequences, standardised as those of training (columns of zeros and ones are left as they are).

    Parameters
    ----------
    context : array (N, C)
        That of the training sequences.
    dtype : dtype
    """

    def __init__(self, context, dtype):
        self.centre, self.scale = centre_and_scale(context)
        self.width = context.shape[1]
        self.dtype = dtype

    def encode(self, context):
        """What networks multiply, of contexts (n, C)."""
        return standardised(context, self.centre, self.scale).astype(self.dtype, order="C")

    def write_biases(self, context, weights, layer, out):
        """Write the bias of each of n sequences to `out` (n, G H).

        Parameters
        ----------
        context : array (n, C)
            Encoded.
        weights : dict of arrays by name
        layer : Weights
            Those of the lowest layer.
        out : array (n, G H) or more
        """
        biases = context @ weights["context"]
        if "bias" in weights:
            biases += weights["bias"]
        columns = Axis(layer.n_gates, layer.n_units).entries
        out[: len(context), np.flatnonzero(columns >= 0)] = biases


@kernel
def add_up_steps(sizes, gates, out):
    """Write to row b of `out` (B, G H) the sum over all steps of that of sequence b."""
    out[:] = 0
    first = 0
    for n in sizes:
        for b in range(n):
            for j in range(out.shape[1]):
                out[b, j] += gates[first + b, j]
        first += n
