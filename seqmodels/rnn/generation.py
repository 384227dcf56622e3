"""Symbols drawn one after the other, without Python in the loop."""

import numpy as np

from ..jit import inline
from ..simd import exp, largest, load, maximum, splat, store, total

__all__ = ["LANES", "draw"]

LANES = 8  # numbers in double precision side by side


@inline
def draw(raw, row, offset, sharpness, uniform, odds):
    """A symbol from ``softmax(sharpness (raw[row] + offset))``, picked by a number in [0, 1).

    `odds` (1, ...) is working space: a multiple of LANES columns, which are -inf from the R-th on.
    """
    R, width = len(offset), odds.shape[1]
    for r in range(R):
        odds[0, r] = (raw[row, r] + offset[r]) * sharpness
    highest = load(odds, 0, 0, LANES)
    for r in range(LANES, width, LANES):
        highest = maximum(highest, load(odds, 0, r, LANES))
    top, sums = largest(highest), splat(0.0, LANES)
    for r in range(0, width, LANES):
        own = exp(load(odds, 0, r, LANES) - top)
        store(odds, 0, r, own)
        sums = sums + own
    picked, reached = uniform * total(sums), odds[0, 0]
    code = 0
    while reached <= picked and code < R - 1:
        code += 1
        reached += odds[0, code]
    for r in range(R, width):
        odds[0, r] = -np.inf
    return code
