"""Beliefs about a hidden state, as logarithms: a state that is all but impossible may be needed later."""

import numpy as np
from scipy.special import logsumexp

from .logarithms import logarithms_of
from .rescaled import TINY, suits

__all__ = ["given_densities", "moved"]


def moved(log_states, transition):
    """``log sum_i exp(log_states[n, i]) transition[i, j]``, each j on a scale of its own where need be.

    Parameters
    ----------
    log_states : array (n, K)
    transition : array (K, K)
    """
    highest = log_states.max(axis=1, keepdims=True)
    relative = log_states - np.where(np.isfinite(highest), highest, 0.0)
    found = logarithms_of(np.exp(relative) @ transition) + np.where(np.isfinite(highest), highest, 0.0)
    tiny = (relative < np.log(TINY)) & (relative > -np.inf)
    rows = np.flatnonzero(tiny.any(axis=1) | (not suits(transition)))
    if len(rows):  # what underflows may matter
        found[rows] = logsumexp(log_states[rows][:, :, None] + logarithms_of(transition), axis=1)
    return found


def given_densities(log_states, log_densities):
    """Bayes' rule (n, K); an impossible observation is passed over."""
    joint = log_states + log_densities
    total = logsumexp(joint, axis=1, keepdims=True)
    possible = np.isfinite(total)
    return np.where(possible, joint - np.where(possible, total, 0.0), log_states)
