"""Where EM starts: an M-step on made-up responsibilities, so that one initialiser serves every family.

Or from parameters that users give, which are checked here.
"""

import numpy as np

from ..arrays import map_arrays
from ..emissions.clusters import cluster
from .rescaled import likelihoods

__all__ = [
    "check_shapes",
    "checked_start",
    "made_up_responsibilities",
    "responsibilities_under",
    "row_counts",
    "starting_transition",
]

TILE = 100_000
"""Observations that are looked at together, where all of them would take more memory than EM itself."""


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


def row_counts(data, observed):
    """How often each row (S,) of a `TrainingData` is observed (M,), weighted; a tile at a time, to stay small."""
    counts = np.zeros(len(data.values))
    for first in range(0, len(data.rows), TILE):
        here = np.arange(first, min(first + TILE, len(data.rows)))
        sequence = np.searchsorted(data.offsets, here, side="right") - 1
        rows = data.rows[here]
        lowest = int(rows.min())
        own = np.bincount(rows - rows.min(), data.weights[sequence] * observed[here])
        counts[lowest : lowest + len(own)] += own
    return counts


def starting_transition(responsibilities, rows, offsets, generator):
    """Transitions (K, K) as the responsibilities suggest, none of them zero."""
    n_states = responsibilities.shape[1]
    after_another = np.ones(len(rows), dtype=bool)
    after_another[offsets[:-1]] = False
    counts = np.zeros((n_states, n_states))
    for first in range(0, len(rows), TILE):
        here = first + np.flatnonzero(after_another[first : first + TILE])
        counts += responsibilities[rows[here - 1]].T @ responsibilities[rows[here]]
    counts += (1 + counts.sum()) / n_states**2 * generator.dirichlet(np.ones(n_states), n_states) * 0.5
    return counts / counts.sum(axis=1, keepdims=True)


# -------------------------------------------------------------------- what users give


def checked_start(given, n_states, family):
    """Given parameters as arrays of the right shape; a dict with the same keys."""
    unknown = set(given) - {"initial", "transition", "emission"}
    if unknown:
        unknown = min(unknown, key=str)
        raise ValueError(f"init has a key {unknown!r}; 'initial', 'transition' and 'emission' are accepted")
    checked = {}
    for name, shape in (("initial", (n_states,)), ("transition", (n_states, n_states))):
        if name in given:
            array = np.array(given[name], dtype=float)
            if array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}; {n_states} states take {shape}")
            rows = np.atleast_2d(array)
            wrong = ~((rows >= 0).all(axis=1) & np.isclose(rows.sum(axis=1), 1, atol=1e-6))
            if wrong.any():
                row = int(np.argmax(wrong))
                place = name if array.ndim == 1 else f"{name}[{row}]"
                raise ValueError(f"{place} is {rows[row]}; probabilities that sum to 1 are accepted")
            checked[name] = array / array.sum(axis=-1, keepdims=True)
    if "emission" in given:
        checked["emission"] = _one_a_state(family.parameters_from(given["emission"]), n_states)
    return checked


def _one_a_state(emission, n_states):
    """The same parameters, if each array has one entry a state."""

    def check(array):
        if array.ndim == 0 or len(array) != n_states:
            accepted = f"with {n_states} states, ({n_states}, ...) is accepted"
            raise ValueError(f"emission has an array of shape {array.shape}; {accepted}")

    map_arrays(check, emission)
    return emission


def check_shapes(emission, rough):
    """Raise a ValueError where an array of given parameters has not the shape that the data ask for."""

    def check(array, example):
        if array.shape[1:] != example.shape[1:]:
            raise ValueError(
                f"init['emission'] has an array of shape {array.shape}; for these data "
                f"{(len(array), *example.shape[1:])} is accepted"
            )

    map_arrays(check, emission, rough)
