"""Stationary distributions, and transition matrices whose stationary distribution is where sequences start."""

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.special import xlogy

__all__ = ["stationary_distribution", "transition_with_starts"]

MAX_ITER = 1000
"""Iterations of one M-step at most; it starts near its end, and a handful is common."""

PRECISION = 1e-10
"""An M-step ends where no derivative is larger than this, relative to the counts."""

LEAST = 1e-60
"""The smallest free transition: at zero, groups of states would lose touch, and there would be no one distribution."""


def stationary_distribution(transition):
    """The distribution (K,) that one step of a chain (K, K) leaves as it is; states that are left for good have 0.

    By elimination without subtractions (Grassmann, Taksar and Heyman 1985), so that the smallest of its
    probabilities is as accurate as the largest.

    Raises
    ------
    ValueError
        If there are several, because there are several sets of states that are never left.
    """
    transition = np.asarray(transition, dtype=float)
    n_classes, label = connected_components(csr_array(transition > 0), connection="strong")
    i, j = np.nonzero(transition)
    left = np.unique(label[i][label[i] != label[j]])
    closed = np.setdiff1d(np.arange(n_classes), left)
    if len(closed) > 1:
        first, second = (np.flatnonzero(label == each).tolist() for each in closed[:2])
        raise ValueError(
            f"the chain has no unique stationary distribution: neither the states {first} nor the states {second} "
            "are ever left; one set of such states is accepted"
        )
    members = np.flatnonzero(label == closed[0])
    distribution = np.zeros(len(transition))
    distribution[members] = _by_elimination(transition[np.ix_(members, members)])
    return distribution


def _by_elimination(transition):
    """Of a chain in which every state is reached from every other one."""
    reduced = transition.copy()
    for k in range(len(reduced) - 1, 0, -1):  # the chain watched only while it is in the first k states
        reduced[:k, k] /= reduced[k, :k].sum()
        reduced[:k, :k] += np.outer(reduced[:k, k], reduced[k, :k])
    visits = np.ones(len(reduced))  # between two visits of state 0
    for k in range(1, len(reduced)):
        visits[k] = visits[:k] @ reduced[:k, k]
    return visits / visits.sum()


def transition_with_starts(starts, pairs, old, free):
    """The M-step of a chain that starts from its stationary distribution.

    Maximises ``sum(pairs * log(A)) + sum(starts * log(stationary_distribution(A)))`` over the free entries of A,
    by L-BFGS on their logarithms with exact derivatives.

    Parameters
    ----------
    starts, pairs : arrays (K,), (K, K)
        Expected counts, those of the prior among them.
    old : array (K, K)
        The matrix that they were found under; the new one is never worse.
    free : array (K, K) of bool
        Entries to be found, all of them positive in `old`; the others stay, and so does the sum of a row.

    Returns
    -------
    array (K, K)
    """
    if not free.any():
        return old
    problem = _TiedStart(starts, pairs, old, free)
    # near the best matrix for the pairs alone, but with nothing at zero, where logarithms are stuck
    guess = np.where(free, np.maximum(0.999 * problem.frequencies() + 0.001 * old, LEAST), old)
    start = max((old, guess), key=problem.value)
    found = minimize(
        problem.loss, np.log(start[free]), jac=True, method="L-BFGS-B",
        options={"maxiter": MAX_ITER, "ftol": 0.0, "gtol": PRECISION * (pairs.sum() + starts.sum()), "maxcor": 30},
    )  # fmt: skip
    new = np.where(free, np.maximum(problem.matrix(found.x), LEAST), old)
    return new if problem.value(new) >= problem.value(old) else old


class _TiedStart:
    def __init__(self, starts, pairs, old, free):
        self.starts, self.pairs, self.free = starts, np.where(free, pairs, 0.0), free
        self.others = np.where(free, 0.0, old)
        self.old, self.mass = old, np.where(free, old, 0.0).sum(axis=1, keepdims=True)

    def frequencies(self):
        """The best matrix for the pairs."""
        total = self.pairs.sum(axis=1, keepdims=True)
        share = self.pairs / np.where(total > 0, total, 1.0) * self.mass
        return self.others + np.where(total > 0, share, np.where(self.free, self.old, 0.0))

    def matrix(self, logarithms):
        """From any numbers, one for each free entry: their exponentials, to the sum that each row has."""
        entries = np.full(self.free.shape, -np.inf)
        entries[self.free] = logarithms
        largest = entries.max(axis=1, keepdims=True)
        odds = np.exp(entries - np.where(np.isfinite(largest), largest, 0.0))
        total = odds.sum(axis=1, keepdims=True)
        return self.others + odds / np.where(total > 0, total, 1.0) * self.mass

    def value(self, transition):
        """What is maximised."""
        on_pairs = xlogy(self.pairs, transition).sum()
        return float(on_pairs + xlogy(self.starts, stationary_distribution(transition)).sum())

    def loss(self, logarithms):
        """Its negative, and the derivatives of that.

        A change dA changes the distribution d by ``d dA Z`` with ``Z = inv(I - A + 1 d)`` (Schweitzer 1968). Where
        groups of states have all but lost touch, that is singular, and their shares are taken as given.
        """
        transition = self.matrix(logarithms)
        distribution = stationary_distribution(transition)
        used = self.starts > 0
        ratio = np.where(used, self.starts / np.where(used, distribution, 1.0), 0.0)
        gain = np.linalg.lstsq(np.eye(len(transition)) - transition + distribution, ratio, rcond=None)[0]
        each = self.pairs + np.where(self.free, transition, 0.0) * np.outer(distribution, gain)
        share = np.where(self.free, transition, 0.0) / np.where(self.mass > 0, self.mass, 1.0)
        derivative = each - share * each.sum(axis=1, keepdims=True)
        on_pairs = xlogy(self.pairs, transition).sum()
        return -float(on_pairs + xlogy(self.starts, distribution).sum()), -derivative[self.free]
