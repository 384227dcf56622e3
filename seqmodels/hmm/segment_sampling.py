"""Segmentations drawn given the observations: forward filtering, backward sampling of one segment after the other."""

import numpy as np

from ..jit import inline, kernel
from .path_sampling import accumulate, chosen
from .segmentations import forward

__all__ = ["UNIFORMS", "sample_segmentations"]

UNIFORMS = 3  # random numbers a step


@inline
def _beginning(chain, log_table, rows, work, j, t, to_the_end, uniforms, scores):
    """When a segment of state j began that ends at t, or is cut off there by the end of the sequence."""
    durations, A, total = chain.durations, chain.durations.longest, 0.0
    scores[0] = work.beyond[j, t] + (0.0 if to_the_end else durations.leave)
    for d in range(1, len(scores)):
        scores[d] = -np.inf
    for d in range(1, min(t, A - 1) + 1):
        total += log_table[rows[t - d], j] - work.scales[t - d]
        lasting = durations.survivor[j, d - 1] if to_the_end else durations.mass[j, d - 1]
        scores[d] = work.begins[j, t - d] + lasting + total
    accumulate(scores, scores)
    d = chosen(scores, uniforms[t - 1, 1])
    if d > 0:
        return t - d
    while True:  # has it lasted A steps just now, or more?
        going_on = work.beyond[j, t - 1] + durations.stay + log_table[rows[t - 1], j] - work.scales[t - 1]
        if uniforms[t - 1, 2] >= np.exp(going_on - work.beyond[j, t]):
            return t - A
        t -= 1


@kernel
def sample_segmentations(chain, log_table, rows, uniforms, work, paths):
    """Fill `paths` (n, T), with the random numbers (n, T, UNIFORMS); returns whether the sequence is possible."""
    (n, T), K = paths.shape, log_table.shape[1]
    if forward(chain, log_table, rows, work) == -np.inf:
        return False
    occupancy, scores = work.vectors[0].copy(), np.empty(chain.durations.longest)
    states = work.vectors[1]
    for path in range(n):
        state, t = 0, T
        while t > 0:
            for i in range(K):
                before = work.ended[t, i] + chain.log_transition[i, state]
                states[i] = occupancy[i] if t == T else before
            accumulate(states, states)
            state = chosen(states, uniforms[path, t - 1, 0])
            begin = _beginning(chain, log_table, rows, work, state, t, t == T, uniforms[path], scores)
            for u in range(begin, t):
                paths[path, u] = state
            t = begin
    return True
