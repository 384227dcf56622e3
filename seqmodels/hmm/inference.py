"""Inference in a hidden Markov chain, whatever its emissions are.

Emissions come as a table of log densities (S, K), one row per distinct observation, and the row (M,) of each
observation; the row of a missing one is all zeros. Sequences are first tried on probabilities; where these
underflow in a way that matters, a sequence is redone on logarithms.
"""

from typing import NamedTuple

import numpy as np

from . import logarithms, rescaled

__all__ = ["Expectations", "decode", "expectations", "filtered", "posterior"]


class Expectations(NamedTuple):
    """What the E-step finds."""

    log_likelihood: np.ndarray  # (N,)
    starts: np.ndarray  # (K,) expected number of sequences that start in each state
    pairs: np.ndarray  # (K, K) expected number of transitions
    visits: np.ndarray  # (S, K) expected visits of each state at each row of the table


def expectations(initial, transition, log_table, rows, offsets, weights):
    """Forward-backward over all sequences, each counted `weights` (N,) times.

    Parameters
    ----------
    initial, transition : arrays (K,), (K, K)
    log_table : array (S, K)
    rows : array (M,) of int
    offsets : array (N + 1,) of int
    weights : array (N,)

    Returns
    -------
    Expectations
        Sequences of probability zero have the log-likelihood -inf and add nothing to the rest.
    """
    table, shift = rescaled.likelihoods(log_table)
    (S, K), N = table.shape, len(offsets) - 1
    result = Expectations(np.zeros(N), np.zeros(K), np.zeros((K, K)), np.zeros((S, K)))
    transposed, done = np.ascontiguousarray(transition.T), np.zeros(N, dtype=bool)
    if rescaled.suits(transition):
        chain = initial, transition, transposed
        rescaled.expectations(*chain, table, shift, rows, offsets, weights, result, done)
        result.pairs[...] *= transition
    if not done.all():
        chain = _log(initial), _log(transition), _log(transposed), transition, transposed
        logarithms.expectations(*chain, log_table, rows, offsets, weights, np.flatnonzero(~done), result)
    return result


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
        chain = _log(initial), _log(transition), transition
        logarithms.filtered(*chain, log_table, rows, offsets, np.flatnonzero(~done), terms, filters)
    return terms, filters


def posterior(initial, transition, log_table, rows, offsets):
    """State probabilities (M, K) given the whole of each sequence; uniform where that is impossible."""
    table, _ = rescaled.likelihoods(log_table)
    gamma = np.empty((len(rows), len(initial)))
    transposed = np.ascontiguousarray(transition.T)
    done = np.zeros(len(offsets) - 1, dtype=bool)
    if rescaled.suits(transition):
        rescaled.posterior(initial, transition, transposed, table, rows, offsets, gamma, done)
    if not done.all():
        chain = _log(initial), _log(transition), _log(transposed), transition, transposed
        logarithms.posterior(*chain, log_table, rows, offsets, np.flatnonzero(~done), gamma)
    return gamma


def decode(initial, transition, log_table, rows, offsets):
    """Most probable paths, by the Viterbi algorithm.

    Returns
    -------
    states : array (M,) of int
    log_probability : array (N,)
        log p(states, observations) of each sequence.
    """
    states, log_probability = np.empty(len(rows), dtype=np.int64), np.empty(len(offsets) - 1)
    logarithms.viterbi(_log(initial), _log(transition), log_table, rows, offsets, states, log_probability)
    return states, log_probability


def _log(probabilities):
    with np.errstate(divide="ignore"):
        return np.log(probabilities)
