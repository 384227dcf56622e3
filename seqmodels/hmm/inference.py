"""Inference in a hidden Markov chain, whatever its emissions are.

Emissions come as a table of log densities (S, K), one row per distinct observation, and the row (M,) of each
observation; the row of a missing one is all zeros. Sequences are first tried on probabilities; where these
underflow in a way that matters, a sequence is redone on logarithms.
"""

import numpy as np

from . import logarithms, rescaled
from .decoding import decode as _decode
from .expectations import Expectations, probabilities_of_states
from .expectations import expectations as _expectations
from .logarithms import logarithms_of
from .tables import FewRows

__all__ = ["Expectations", "decode", "expectations", "filtered", "last_log_filters", "posterior", "posterior_of"]


def expectations(initial, transition, log_table, rows, offsets, weights, n_jobs=None, memory="fast"):
    """Forward-backward over all sequences, each counted `weights` (N,) times; visits are those of each row (S, K)."""
    source = FewRows(log_table, rows)
    return _expectations(initial, transition, source, offsets, weights, n_jobs, memory)


def filtered(initial, transition, log_table, rows, offsets):
    """Forward pass.

    Returns
    -------
    terms : array (M,)
        log p(x_t given x_<t).
    filters : array (M, K)
        p(z_t given x_<=t). An observation that is impossible given the past has the term -inf and is then
        passed over, as if it were missing.
    """
    table, shift = rescaled.likelihoods(log_table)
    terms, filters = np.empty(len(rows)), np.empty((len(rows), len(initial)))
    done = np.zeros(len(offsets) - 1, dtype=bool)
    if rescaled.suits(transition):
        rescaled.filtered(initial, transition, table, shift, rows, offsets, terms, filters, done)
    if not done.all():
        chain = logarithms_of(initial), logarithms_of(transition), transition
        logarithms.filtered(*chain, log_table, rows, offsets, np.flatnonzero(~done), terms, filters)
    return terms, filters


def last_log_filters(initial, transition, log_table, rows, offsets):
    """``log p(z_T given x)`` (N, K) at the end of each sequence, however small."""
    _, filters = filtered(initial, transition, log_table, rows, offsets)
    found = logarithms_of(filters[offsets[1:] - 1])
    which = np.flatnonzero((found < np.log(rescaled.TINY)).any(axis=1))  # what is flushed may be needed later
    if len(which):
        chain = logarithms_of(initial), logarithms_of(transition), transition
        logarithms.last_log_filters(*chain, log_table, rows, offsets, which, found)
    return found


def posterior(initial, transition, log_table, rows, offsets, n_jobs=None):
    """State probabilities (M, K) given the whole of each sequence; uniform where that is impossible."""
    return posterior_of(initial, transition, FewRows(log_table, rows), offsets, n_jobs)


def posterior_of(initial, transition, source, offsets, n_jobs=None):
    """The same with any source of likelihoods."""
    gamma, left = probabilities_of_states(initial, transition, source, offsets, n_jobs)
    transposed = np.ascontiguousarray(transition.T)
    for n in left:
        begin, end = offsets[n : n + 2]
        log_table, rows = source.log_likelihoods(begin, end)
        table, _ = rescaled.likelihoods(log_table)
        alone, done = np.array([0, end - begin]), np.zeros(1, dtype=bool)
        if rescaled.suits(transition):
            rescaled.posterior(initial, transition, transposed, table, rows, alone, gamma[begin:end], done)
        if not done[0]:
            logs = logarithms_of(initial), logarithms_of(transition), logarithms_of(transposed)
            chain = *logs, transition, transposed
            logarithms.posterior(*chain, log_table, rows, alone, np.zeros(1, dtype=np.int64), gamma[begin:end])
    return gamma


def decode(initial, transition, log_table, rows, offsets, n_jobs=None):
    """Most probable paths (M,), and log p(states, observations) (N,), by the Viterbi algorithm."""
    return _decode(initial, transition, FewRows(log_table, rows), offsets, n_jobs)
