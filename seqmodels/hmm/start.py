"""Where EM starts: an M-step on made-up responsibilities, so that one initialiser serves every family.

Or from parameters that users give, which are checked here.
"""

import numpy as np

from ..arrays import map_arrays
from ..emissions.clusters import cluster
from ..sequences import Sequences
from .rescaled import likelihoods
from .states import agreeing, refuse_impossible, segments
from .tables import rule_out
from .training import Parameters

__all__ = [
    "check_shapes",
    "checked_start",
    "made_up_responsibilities",
    "responsibilities_under",
    "row_counts",
    "starting_parameters",
    "starting_transition",
    "template_of",
]

TILE = 100_000
"""Observations that are looked at together, where all of them would take more memory than EM itself."""

BLUR = 0.1
"""The share of all states in a segment of one: nothing seen becomes impossible where the borders are wrong."""


def starting_parameters(init, n_states, family, chain, sequences, data, states, generator):
    """Where one run of EM starts.

    Parameters
    ----------
    init : {"kmeans", "random"} or dict
        How to make up what is not given, or what is given.
    n_states : int
        K.
    family : Emission
    chain : Ergodic
    sequences : Sequences
    data : TrainingData
        The same.
    states : array (M,) of int, optional
        What is known of the states.
    generator : numpy.random.Generator
    """
    given = checked_start(init, n_states, family) if isinstance(init, dict) else {}
    how = init if isinstance(init, str) else "kmeans"
    counts = row_counts(data, ~sequences.missing.all(axis=1))
    rough = family.rough(sequences)
    emission, rows = given.get("emission"), data.rows
    if emission is not None:
        check_shapes(emission, rough, "init['emission']")
        log_table = family.log_table(data.values, emission)
        shares = responsibilities_under(log_table if data.known is None else rule_out(log_table.copy(), data.known))
    elif chain.in_order:
        rows = segments(sequences, n_states, generator if how == "random" else None)
        rows = rows if states is None else np.where(states >= 0, states, rows)
        shares, visits = np.eye(n_states), segment_visits(data, rows, counts, n_states, ~sequences.missing.all(axis=1))
    else:
        if data.known is not None and data.known.min() >= 0:
            shares = np.eye(n_states)[data.known]
        else:
            shares = made_up_responsibilities(how, n_states, data.values, counts, family, generator)
            shares = shares if data.known is None else agreeing(shares, data.known, counts)
        visits = shares * counts[:, None]
    if emission is None:
        emission = family.initial_parameters(data.values, visits, rough, generator)
    initial = given.get("initial", np.full(n_states, 1 / n_states))
    transition = given.get("transition")
    if transition is None:
        transition = starting_transition(shares, rows, data.offsets, generator)
    initial, transition = chain.begin(initial, transition, given)
    if states is not None:
        refuse_impossible(states, sequences, initial, transition)
    return Parameters(initial, transition, emission)


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


def segment_visits(data, segments, counts, n_states, observed):
    """Visits (S, K) of the segment (M,) at each step; where the state is not known, a little of all others too."""
    weights = np.repeat(data.weights, np.diff(data.offsets)) * observed
    place = data.rows * np.int64(n_states) + segments
    visits = np.bincount(place, weights, len(data.values) * n_states).reshape(-1, n_states)
    blurred = (1 - BLUR) * visits + BLUR / n_states * counts[:, None]
    return blurred if data.known is None else np.where(data.known[:, None] >= 0, visits, blurred)


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


def checked_start(given, n_states, family, more=()):
    """Given parameters as arrays of the right shape; a dict of those that every model has, of names and `more`."""
    accepted = ("initial", "transition", *more, "emission")
    unknown = set(given) - set(accepted)
    if unknown:
        listed = ", ".join(map(repr, accepted[:-1])) + f" and {accepted[-1]!r}"
        raise ValueError(f"init has a key {min(unknown, key=str)!r}; {listed} are accepted")
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


def check_shapes(emission, rough, name):
    """Raise a ValueError where an array of given parameters has not the shape that the data ask for."""

    def check(array, example):
        if array.shape[1:] != example.shape[1:]:
            raise ValueError(
                f"{name} has an array of shape {array.shape}; for these data "
                f"{(len(array), *example.shape[1:])} is accepted"
            )

    map_arrays(check, emission, rough)


def template_of(emission, parameters, alphabet=None):
    """Empty data of the kind that a model of given parameters is for."""
    if emission.symbolic:
        n_symbols = emission.n_symbols(parameters)
        alphabet = tuple(range(n_symbols)) if alphabet is None else tuple(alphabet)
        if len(set(alphabet)) < len(alphabet) or len(alphabet) not in (n_symbols, n_symbols - 1):
            raise ValueError(
                f"alphabet has {len(alphabet)} symbols, {len(set(alphabet))} of them different; {n_symbols} "
                f"different ones are accepted, or {n_symbols - 1} where the last probability is of the unknown one"
            )
        values = np.empty((0, 1), dtype=np.int64)
    else:
        values = np.empty((0, emission.mean(parameters).shape[-1]))
    return Sequences(values, np.zeros(1, dtype=np.int64), alphabet, "flat" if values.shape[1] == 1 else "rows")
