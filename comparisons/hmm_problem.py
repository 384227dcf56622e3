"""What is the same on all sides of a comparison of hidden Markov models: data, a start, what a run leaves."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

N_SYMBOLS = 32
DIMENSIONS = {"diagonal": 2, "full": 16}
SPREAD = {"diagonal": 2.0, "full": 0.6}  # of the means, in standard deviations: states overlap


@dataclass
class Problem:
    """Data and where to start."""

    family: str  # "categorical", "diagonal" or "full"
    sequences: list  # of arrays (T,) of symbols or (T, D)
    initial: np.ndarray  # (K,)
    transition: np.ndarray  # (K, K)
    emission: dict  # probabilities (K, V), or means (K, D) and covariances (K, D) or (K, D, D)

    @property
    def n_states(self):
        """K."""
        return len(self.initial)

    @property
    def lengths(self):
        """Of the sequences."""
        return np.array([len(sequence) for sequence in self.sequences])


class Run(NamedTuple):
    """What some iterations of EM leave."""

    seconds: float  # an iteration, the first one left out
    log_likelihoods: list  # before each M-step
    parameters: dict  # after the last


def seconds_of(stamps):
    """Seconds of an iteration, from the times at which each ended."""
    return (stamps[-1] - stamps[0]) / (len(stamps) - 1)


def problem_of(family, n_sequences, length, n_states):
    """Sequences from a chain that stays nine times in ten, and parameters at some distance from it."""
    generator = np.random.default_rng([n_sequences, length, n_states])
    states = np.stack([_states(length, n_states, generator) for _ in range(n_sequences)])
    transition = 0.5 * np.eye(n_states) + 0.5 * generator.dirichlet(np.ones(n_states), n_states)
    initial = generator.dirichlet(np.full(n_states, 5.0))
    if family == "categorical":
        true = generator.dirichlet(np.full(N_SYMBOLS, 0.3), n_states)
        values = _symbols(states, true, generator)
        start = {"probabilities": 0.5 * true + 0.5 * generator.dirichlet(np.ones(N_SYMBOLS), n_states)}
    else:
        D = DIMENSIONS[family]
        means = SPREAD[family] * generator.standard_normal((n_states, D))
        values = means[states] + generator.standard_normal((*states.shape, D))
        ones = np.ones((n_states, D)) if family == "diagonal" else np.broadcast_to(np.eye(D), (n_states, D, D)).copy()
        start = {"means": means + 0.3 * generator.standard_normal(means.shape), "covariances": 1.5 * ones}
    return Problem(family, list(values), initial, transition, start)


def _states(length, n_states, generator):
    """States (T,): with probability 0.1 a step is a jump to any of them."""
    jumps = generator.random(length) < 0.1
    jumps[0] = True
    return generator.integers(0, n_states, jumps.sum())[np.cumsum(jumps) - 1]


def _symbols(states, probabilities, generator):
    """A symbol for each state, and at least one of each kind."""
    symbols = np.empty(states.shape, dtype=np.int64)
    for state, row in enumerate(probabilities):
        here = states == state
        symbols[here] = np.searchsorted(np.cumsum(row)[:-1], generator.random(here.sum()))
    symbols.flat[:N_SYMBOLS] = np.arange(N_SYMBOLS)
    return symbols
