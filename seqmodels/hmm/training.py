"""Baum-Welch: knows statistics and M-steps, and nothing about families."""

import time
from typing import NamedTuple

import numpy as np

from .expectations import expectations
from .space import Space
from .tables import source_of

__all__ = ["Parameters", "Run", "TrainingData", "baum_welch"]


class Parameters(NamedTuple):
    """Everything that EM estimates."""

    initial: np.ndarray  # (K,)
    transition: np.ndarray  # (K, K)
    emission: tuple  # NamedTuple, leading axis K


class TrainingData(NamedTuple):
    """Sequences as EM sees them: distinct observations, and the order in which they come."""

    values: np.ndarray  # (S, D)
    rows: np.ndarray  # (M,)
    offsets: np.ndarray  # (N + 1,)
    weights: np.ndarray  # (N,)
    n_scored: float  # observations that count, weighted

    @classmethod
    def of(cls, sequences, family, weights=None):
        """Gather equal observations of a `Sequences` where the family has few distinct ones."""
        values, rows = family.distinct(family.with_past(sequences))
        weights = np.ones(len(sequences)) if weights is None else weights
        n_scored = float(weights @ sequences.per_sequence(sequences.scored))
        return cls(values, rows, sequences.offsets, weights, n_scored)


class Run(NamedTuple):
    """The outcome of one start of EM."""

    parameters: Parameters
    value: float  # of the objective, or of the validation score where there is one
    records: list
    converged: bool


def baum_welch(
    parameters, family, chain, data, *, max_iter, tol, validate=None, report=None, n_jobs=None, memory="fast"
):
    """Maximise log-likelihood plus log prior by expectation-maximisation (Baum et al. 1970; Rabiner 1989).

    Parameters
    ----------
    parameters : Parameters
        Where to start.
    family : Emission
    chain : Ergodic
        What is known about the chain.
    data : TrainingData
    max_iter : int
        The largest number of M-steps.
    tol : float
        Stop when an iteration gains less than this, in nats per observation.
    validate : callable, optional
        Score of parameters on held-out data; the best iterate is then the result.
    report : callable, optional
        Called with (parameters, record) after each E-step; returning True stops.
    n_jobs : int, optional
        Threads.
    memory : {"fast", "low"}
        What the E-step may take.

    Returns
    -------
    Run
    """
    began, space = time.perf_counter(), Space()
    records, converged = [], False
    best, best_value, previous = parameters, -np.inf, -np.inf
    for iteration in range(max_iter + 1):
        found = _expect(parameters, family, data, n_jobs, memory, space)
        log_likelihood = float(data.weights @ found.log_likelihood)
        objective = log_likelihood + log_prior(parameters, family, chain)
        held_out = None if validate is None else validate(parameters)
        value = objective if held_out is None else held_out
        if value > best_value or iteration == 0:
            best, best_value = parameters, value
        records.append(
            {
                "iteration": iteration,
                "objective": objective,
                "train": log_likelihood / data.n_scored,
                "validation": held_out,
                "seconds": time.perf_counter() - began,
            }
        )
        stop = report is not None and report(parameters, records[-1])
        converged = bool(objective - previous < tol * data.n_scored) and iteration > 0
        if stop or converged or iteration == max_iter:
            break
        previous = objective
        parameters = _maximize(found, parameters, family, chain)
    return Run(best, best_value, records, converged)


def log_prior(parameters, family, chain):
    """Logarithm of the prior density of all parameters, up to a constant."""
    on_chain = chain.log_prior(parameters.initial) + chain.log_prior(parameters.transition)
    return on_chain + family.log_prior(parameters.emission)


def _expect(parameters, family, data, n_jobs, memory, space):
    source = source_of(family, data.values, data.rows, parameters.emission, len(parameters.initial))
    found = expectations(
        parameters.initial, parameters.transition, source, data.offsets, data.weights, n_jobs, memory, space
    )
    impossible = np.isneginf(found.log_likelihood) & (data.weights > 0)
    if impossible.any():
        raise ValueError(
            f"X[{int(np.argmax(impossible))}] has probability zero under the parameters that EM has reached; "
            "give the start of training (init) fewer zeros, or the emission a pseudo-count"
        )
    if family.discrete:
        found = found._replace(visits=family.sufficient_statistics(data.values, found.visits, parameters.emission))
    return found._replace(log_likelihood=np.where(data.weights > 0, found.log_likelihood, 0.0))


def _maximize(found, parameters, family, chain):
    return Parameters(
        chain.maximize(found.starts, parameters.initial),
        chain.maximize(found.pairs, parameters.transition),
        family.maximize(found.visits, parameters.emission),
    )
