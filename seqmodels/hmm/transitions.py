"""What is known about the hidden chain before the data are seen."""

import numbers

import numpy as np
from scipy.special import xlogy
from sklearn.base import BaseEstimator

from .rescaled import SMALLEST_TRANSITION

__all__ = ["Ergodic"]

NEVER = SMALLEST_TRANSITION
"""A fitted transition below this is set to zero: no sequence needs it, and it would call for logarithms."""


class Ergodic(BaseEstimator):
    """Every state may follow every state, unless the start of training says never.

    A transition (or a first state) whose probability is zero at the start of EM stays at zero.

    Parameters
    ----------
    prior : float
        Parameter of the symmetric Dirichlet distribution that is the prior of the initial distribution and of
        each row of the transition matrix. 1 is maximum likelihood; above 1 keeps probabilities off zero.
    """

    def __init__(self, prior=1.0):
        self.prior = prior

    def check(self):
        """Raise a ValueError where a hyperparameter is out of range."""
        if not (isinstance(self.prior, numbers.Real) and self.prior >= 1):
            raise ValueError(f"prior is {self.prior!r}; numbers from 1 (maximum likelihood) are accepted")

    def maximize(self, counts, old):
        """Probabilities that maximise expected log-likelihood plus log prior, along the last axis.

        Parameters
        ----------
        counts, old : arrays (K,) or (K, K)
            Expected counts, and the probabilities that they were found under.
        """
        counts = np.where(old > 0, counts + (self.prior - 1), 0.0)
        total = counts.sum(axis=-1, keepdims=True)
        probabilities = counts / np.where(total > 0, total, 1.0)
        probabilities[probabilities < NEVER] = 0.0
        return np.where(total > 0, probabilities, old)

    def log_prior(self, probabilities):
        """Logarithm of the prior density up to a constant; entries that are zero are taken as ruled out."""
        return float(xlogy(self.prior - 1, np.where(probabilities > 0, probabilities, 1.0)).sum())
