"""Where EM starts: an M-step on made-up responsibilities, so that one initialiser serves every family."""

import numpy as np

from ..emissions.clusters import cluster
from .rescaled import likelihoods

__all__ = ["made_up_responsibilities", "responsibilities_under", "starting_transition"]


def made_up_responsibilities(how, n_states, values, counts, family, generator):
    """Responsibilities (S, K), rows summing to one.

    Parameters
    ----------
    how : {"kmeans", "random"}
        Clusters of the observations, or random shares; symbols are always shared out at random, because
        there is no distance between them.
    n_states : int
        K.
    values : array (S, D)
        Distinct observations.
    counts : array (S,)
        How often each occurs.
    family : Emission
    generator : numpy.random.Generator
    """
    points = family.points(values) if how == "kmeans" else None
    labels = None if points is None else cluster(points, counts, n_states, generator)
    if labels is not None:
        return np.eye(n_states)[labels]
    return generator.dirichlet(np.ones(n_states), len(values))


def responsibilities_under(log_table):
    """Responsibilities (S, K) of equally probable states of given log densities (S, K)."""
    table, _ = likelihoods(log_table)
    total = table.sum(axis=1, keepdims=True)
    return np.where(total > 0, table / np.where(total > 0, total, 1.0), 1 / table.shape[1])


def starting_transition(responsibilities, rows, offsets, generator):
    """Transitions (K, K) as the responsibilities suggest, none of them zero."""
    n_states = responsibilities.shape[1]
    after_another = np.ones(len(rows), dtype=bool)
    after_another[offsets[:-1]] = False
    here = np.flatnonzero(after_another)
    counts = np.zeros((n_states, n_states))
    for tile in np.array_split(here, max(1, len(here) // 100_000)):
        counts += responsibilities[rows[tile - 1]].T @ responsibilities[rows[tile]]
    counts += (1 + counts.sum()) / n_states**2 * generator.dirichlet(np.ones(n_states), n_states) * 0.5
    return counts / counts.sum(axis=1, keepdims=True)
