"""Most probable paths: sequences in groups, long ones by themselves."""

from itertools import pairwise

import numpy as np

from ..arrays import padded, vector_length
from ..threads import in_threads
from .best_paths import Scores, best_paths
from .groups import groups, long_ones
from .logarithms import logarithms_of
from .space import Space

__all__ = ["decode", "log_probabilities_of"]

FORWARD, BACKWARD = 0, 1


def decode(initial, transition, source, offsets, n_jobs=None):
    """Most probable paths.

    Parameters
    ----------
    initial, transition : arrays (K,), (K, K)
    source : FewRows or RowEach
        Of likelihoods.
    offsets : array (N + 1,) of int
    n_jobs : int, optional
        Threads.

    Returns
    -------
    states : array (M,) of int
    log_probability : array (N,)
        log p(states, observations) of each sequence.
    """
    decoder = _Decoder(initial, transition, source, offsets)
    in_threads(decoder.group, groups(source, offsets, decoder.is_long), n_jobs)
    for n in np.flatnonzero(decoder.is_long):
        decoder.long(n, n_jobs)
    return decoder.states, decoder.log_probability


def log_probabilities_of(states, initial, transition, source, offsets):
    """Of given paths (M,), log p(states, observations) (N,)."""
    log_initial, log_transition = logarithms_of(initial), logarithms_of(transition)
    found = np.empty(len(offsets) - 1)
    for n, (begin, end) in enumerate(pairwise(offsets)):
        log_table, rows = source.log_likelihoods(begin, end)
        own = states[begin:end]
        found[n] = log_initial[own[0]] + log_transition[own[:-1], own[1:]].sum() + log_table[rows, own].sum()
    return found


class _Decoder:
    def __init__(self, initial, transition, source, offsets):
        self.source, self.offsets, self.lengths = source, offsets, np.diff(offsets)
        K, width = len(initial), source.width
        self.space, self.paths = Space(), best_paths(vector_length(width))
        self.starts = log_padded(initial[None], 1, width), log_padded(np.ones((1, K)), 1, width)
        self.matrices = log_padded(transition, width, width), log_padded(transition.T, width, width)
        self.numbers = padded(-np.arange(width, dtype=float)[None], 1, width)
        self.states = np.empty(offsets[-1], dtype=np.int64)
        self.log_probability = np.empty(len(self.lengths))
        self.is_long = long_ones(source, self.lengths, side_by_side=False)

    def chain(self, which, tile, n_steps):
        """The forward or the backward chain over a tile."""
        scores = self.space.take(("forward", "backward")[which], n_steps, self.source.width)
        return Scores(
            self.starts[which], self.matrices[which], tile.table, tile.rows, 0, (1, -1)[which], scores, np.zeros(2)
        )

    def group(self, bounds):
        """Paths of short sequences."""
        begin, end = bounds
        first, last = int(self.offsets[begin]), int(self.offsets[end])
        tile, half = self.source.log_tile(first, last, self.space), (int(self.lengths[begin:end].max()) + 1) // 2
        chains = [self.chain(which, tile, half)._replace(first=tile.first + first) for which in (FORWARD, BACKWARD)]
        self.paths.decode(*chains, self.offsets, begin, end, self.states, self.log_probability, self.numbers)

    def long(self, n, n_jobs):
        """The path of one sequence, each chain a task."""
        begin, end, T = int(self.offsets[n]), int(self.offsets[n + 1]), int(self.lengths[n])
        middle, size = T // 2, self.source.most_steps
        tile = self.source.log_tile(begin, begin + 1, self.space)
        chains = [self.chain(which, tile, half) for which, half in enumerate((middle, T - middle))]

        def follow(which):
            for first in range(0, len(chains[which].scores), size):
                stop = min(first + size, len(chains[which].scores))
                if which == FORWARD:
                    tile = self.source.log_tile(begin + first, begin + stop, self.space)
                else:
                    tile = self.source.log_tile(end - stop, end - first, self.space)
                start = tile.first + (begin if which == FORWARD else end - 1)
                chain = chains[which]._replace(table=tile.table, rows=tile.rows, first=start)
                self.paths.follow(chain, chain._replace(scale=np.zeros(2)), first, stop, 0)

        in_threads(follow, [FORWARD, BACKWARD], n_jobs)
        self.log_probability[n], state = self.paths.meet(*chains, middle, T)
        own = self.states[begin:end]
        own[middle] = state

        def trace(which):
            chain, other = chains[which], chains[1 - which]
            last = (middle - 1, T - middle - 2)[which]
            chain = chain._replace(first=(0, T - 1)[which])
            self.paths.trace(chain, other, last, -1, state, 0, own, self.numbers)

        in_threads(trace, [FORWARD, BACKWARD], n_jobs)


def log_padded(probabilities, n, width):
    """Logarithms, and -inf in the padding."""
    return logarithms_of(padded(probabilities, n, width))
