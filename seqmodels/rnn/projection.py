"""How a layer reads: symbols pick rows of its weights, vectors are multiplied with them; and the way back."""

from ..jit import inline_here
from ..products import add_outer, product
from ..simd import load, store
from .units import UNITS, add, spread

__all__ = ["project", "weigh_input"]


@inline_here
def project(n, source, first, weights, gates, row):
    """Write the projected inputs (n, G H) of the gates, the bias included."""
    H = weights.width
    if source.ndim == 1:  # a symbol picks a row of the weights: never a one-hot product
        last = len(weights.bias) - 1
        if weights.n_units != H:
            spread(n, weights.bias, gates, row)
        for b in range(n):
            if weights.n_units == H:
                for j in range(0, weights.n_gates * H, UNITS):
                    own = load(weights.input, source[first + b], j, UNITS)
                    store(gates, row + b, j, load(weights.bias, min(b, last), j, UNITS) + own)
                continue
            for g in range(weights.n_gates):
                add(weights.n_units, weights.input, source[first + b], g * weights.n_units, gates, row + b, g * H)
    else:
        spread(n, weights.bias, gates, row)
        product(n, source.shape[1], source, first, weights.input, gates, row)


@inline_here
def weigh_input(n, source, first, batch, weights, gates, row, out):
    """Add the gradients of the input weights over n rows."""
    H = weights.width
    if source.ndim == 1:
        for b in range(n):
            for g in range(weights.n_gates):
                add(weights.n_units, gates, row + b, g * H, out, source[first + b], g * weights.n_units)
    else:
        add_outer(n, source.shape[1], source, batch.places, first, gates, row, out, 0, out.shape[1])
