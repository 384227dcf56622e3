"""The E-step: sequences in groups, long ones by themselves, hard ones redone; sums in an order fixed by the data."""

from typing import NamedTuple

import numpy as np

from ..arrays import aligned, padded, vector_length
from ..threads import in_threads
from . import logarithms, rescaled
from .decoding import decode
from .groups import groups, long_ones
from .long_sequence import LongSequence
from .passes import BLOCK, STEPS_BETWEEN_SCALES, Chain, passes
from .space import Space
from .steps import LEAST_EVIDENCE
from .tables import EachTime, summed

__all__ = ["Expectations", "counts_of_best_paths", "expectations", "probabilities_of_states"]

LEFT_OVER = len(STEPS_BETWEEN_SCALES)  # tries after which a sequence is left to slower recursions


class Expectations(NamedTuple):
    """What the E-step finds."""

    log_likelihood: np.ndarray  # (N,)
    starts: np.ndarray  # (K,) expected number of sequences that start in each state
    pairs: np.ndarray  # (K, K) expected number of transitions
    visits: object  # what the source of likelihoods makes of the visits of each state


def expectations(initial, transition, source, offsets, weights, n_jobs=None, memory="fast", space=None):
    """Forward-backward over all sequences, each counted `weights` (N,) times.

    Parameters
    ----------
    initial, transition : arrays (K,), (K, K)
    source : FewRows or RowEach
        Of likelihoods.
    offsets : array (N + 1,) of int
    weights : array (N,)
    n_jobs : int, optional
        Threads.
    memory : {"fast", "low"}
        Whether one pass over a long sequence is stored, or only its tiles' first vectors.
    space : Space, optional
        Buffers of the last call.

    Returns
    -------
    Expectations
        Sequences of probability zero have the log-likelihood -inf and add nothing to the rest.
    """
    step = Step(initial, transition, source, offsets, weights, memory, Space() if space is None else space)
    found = step.by_fast_passes(n_jobs)
    starts, pairs = (sum(arrays) for arrays in zip(*(part[:2] for part in found), strict=True))
    pairs[pairs < LEAST_EVIDENCE * weights.max()] = 0.0  # what the floor makes of states that are never reached
    visits = [part[2] for part in found]
    pairs *= transition
    for carefully in step.carefully(step.left_over()):
        starts += carefully.starts
        pairs += carefully.pairs
        visits.append(carefully.visits)
    return Expectations(step.log_likelihood, starts, pairs, summed(visits))


def counts_of_best_paths(initial, transition, source, offsets, weights, n_jobs=None):
    """The same counts along the most probable path of each sequence, and log p(path, sequence) for likelihood."""
    K, (states, log_probability) = len(initial), decode(initial, transition, source, offsets, n_jobs)
    each = np.repeat(np.where(np.isneginf(log_probability), 0.0, weights), np.diff(offsets))
    starts = np.bincount(states[offsets[:-1]], each[offsets[:-1]], K)
    after = np.delete(np.arange(len(states)), offsets[:-1])
    pairs = np.bincount(states[after - 1] * K + states[after], each[after], K * K).reshape(K, K)
    return Expectations(log_probability, starts, pairs, source.counted(states, each))


def probabilities_of_states(initial, transition, source, offsets, n_jobs=None):
    """State probabilities (M, K) given the whole of each sequence, and the sequences for which they are not found."""
    probabilities = np.empty((offsets[-1], len(initial)))
    weights = np.ones(len(offsets) - 1)
    step = Step(initial, transition, EachTime(source, probabilities), offsets, weights, "fast", Space())
    step.by_fast_passes(n_jobs)
    return probabilities, step.left_over()


class Step:
    """One E-step."""

    def __init__(self, initial, transition, source, offsets, weights, memory, space):
        self.initial, self.transition, self.source, self.offsets = initial, transition, source, offsets
        self.weights, self.memory, self.space = np.asarray(weights, dtype=float), memory, space
        K, width = len(initial), source.width
        self.passes = passes(vector_length(width))
        self.starts = padded(initial[None], 1, width), padded(np.ones((1, K)), 1, width)
        self.matrices = padded(transition, width, width), padded(transition.T, width, width)
        self.log_likelihood = np.zeros(len(offsets) - 1)
        self.tries = np.zeros(len(offsets) - 1, dtype=np.int8)
        self.lengths = np.diff(offsets)
        self.is_long = long_ones(source, self.lengths, memory)

    def by_fast_passes(self, n_jobs):
        """What the tasks find, one after the other."""
        found = in_threads(self.group, groups(self.source, self.offsets, self.is_long), n_jobs)
        return found + [self.long(n, n_jobs) for n in np.flatnonzero(self.is_long)]

    def left_over(self):
        """The sequences at which the passes have failed."""
        return np.flatnonzero(self.tries == LEFT_OVER)

    def chain(self, which, tile, stored, base, visits):
        width = self.source.width
        return Chain(
            self.starts[which], self.matrices[which], tile.table, tile.rows, 0, (1, -1)[which], stored, base,
            aligned(BLOCK + 1, width), aligned(BLOCK, width), aligned(width, width), visits, np.zeros(2, np.int64),
        )  # fmt: skip

    def result(self, starts, pairs, pairs_backward, visits):
        K = len(self.initial)
        return starts[0, :K], (pairs + pairs_backward.T)[:K, :K], visits

    def group(self, bounds):
        """Short sequences; those that fail are tried once more, and then left out."""
        begin, end = bounds
        first, last, width = int(self.offsets[begin]), int(self.offsets[end]), self.source.width
        half = (int(self.lengths[begin:end].max()) + 1) // 2
        tile = self.source.tile(first, last, self.space)
        visits, starts = self.source.new_visits(self.space), aligned(1, width)
        chains = [
            self.chain(which, tile, self.space.take(name, half, width), 0, visits)._replace(first=tile.first + first)
            for which, name in enumerate(("forward", "backward"))
        ]
        while self.passes.expectations(
            *chains, tile.shift, self.offsets, begin, end, self.weights, self.tries, starts, self.log_likelihood
        ):
            for array in (visits, starts, chains[0].pairs, chains[1].pairs):
                array[:] = 0.0
        return self.result(starts, chains[0].pairs, chains[1].pairs, self.source.added(None, first, last, visits))

    def carefully(self, hard):
        """Sequences at whose likelihood ratios the passes fail: at once, or, where tables are long, one by one."""
        tiles = [[n] for n in hard] if self.source.in_tiles else [hard] * (len(hard) > 0)
        for which in tiles:
            begin, end = (self.offsets[which[0]], self.offsets[which[-1] + 1])
            log_table, rows = self.source.log_likelihoods(begin, end)
            offsets = self.offsets[which[0] : which[-1] + 2] - begin
            chain = self.initial, self.transition, log_table, rows, offsets
            found = careful_expectations(*chain, self.weights[which[0] : which[-1] + 1], np.asarray(which) - which[0])
            self.log_likelihood[which] = found.log_likelihood[which - which[0]]
            yield found._replace(visits=self.source.collected(begin, end, found.visits))

    # ---------------------------------------------------------------- long sequences

    def long(self, n, n_jobs):
        """A sequence whose passes are two tasks; tried once more if it fails, and then left out."""
        while self.tries[n] < LEFT_OVER:
            found = LongSequence(self, n).expectations(n_jobs)
            if found is not None:
                return found
            self.tries[n] += 1
        K, nothing = len(self.initial), self.source.new_visits(self.space)
        begin = int(self.offsets[n])
        return np.zeros(K), np.zeros((K, K)), self.source.added(None, begin, begin + 1, nothing)


def careful_expectations(initial, transition, log_table, rows, offsets, weights, which):
    """The sequences `which` by recursions that count what they lose, and, where that matters, by logarithms."""
    table, shift = rescaled.likelihoods(log_table)
    (S, K), N = table.shape, len(offsets) - 1
    result = Expectations(np.zeros(N), np.zeros(K), np.zeros((K, K)), np.zeros((S, K)))
    transposed, done = np.ascontiguousarray(transition.T), np.zeros(N, dtype=bool)
    if rescaled.suits(transition):
        chain = initial, transition, transposed
        rescaled.expectations(*chain, table, shift, rows, offsets, weights, which, result, done)
        result.pairs[...] *= transition
    left = which[~done[which]]
    if len(left):
        logs = map(logarithms.logarithms_of, (initial, transition, transposed))
        chain = *logs, transition, transposed
        logarithms.expectations(*chain, log_table, rows, offsets, weights, left, result)
    return result
