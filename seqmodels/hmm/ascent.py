"""Expectation-maximisation of any model that says what its steps are."""

import time
import warnings
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

__all__ = ["Run", "Steps", "climb", "each_warning_once", "record_of"]


class Run(NamedTuple):
    """The outcome of one start of EM."""

    parameters: tuple
    value: float  # of the objective, or of the validation score where there is one
    records: list
    converged: bool


class Steps(NamedTuple):
    """What is done in each iteration."""

    expect: callable  # of parameters: the weighted log-likelihood, and what the E-step has found
    log_prior: callable  # of parameters
    maximize: callable  # of what the E-step has found, and the parameters that it was made under


def climb(parameters, steps, n_scored, *, max_iter, tol, validate=None, report=None):
    """Maximise log-likelihood plus log prior.

    Parameters
    ----------
    parameters
        Where to start.
    steps : Steps
    n_scored : float
        Observations that count, weighted.
    max_iter : int
        The largest number of M-steps.
    tol : float
        Stop when an iteration gains less than this, in nats per observation.
    validate : callable, optional
        Score of parameters on held-out data; the best iterate is then the result.
    report : callable, optional
        Called with (parameters, record) after each E-step; returning True stops.

    Returns
    -------
    Run
    """
    began, records, converged = time.perf_counter(), [], False
    best, best_value, previous = parameters, -np.inf, -np.inf
    for iteration in range(max_iter + 1):
        log_likelihood, found = steps.expect(parameters)
        objective = log_likelihood + steps.log_prior(parameters)
        held_out = None if validate is None else validate(parameters)
        value = objective if held_out is None else held_out
        if value > best_value or iteration == 0:
            best, best_value = parameters, value
        records.append(record_of(iteration, objective, log_likelihood / n_scored, began, held_out))
        stop = report is not None and report(parameters, records[-1])
        converged = bool(objective - previous < tol * n_scored) and iteration > 0
        if stop or converged or iteration == max_iter:
            break
        previous = objective
        parameters = steps.maximize(found, parameters)
    return Run(best, best_value, records, converged)


def record_of(iteration, objective, train, began, validation=None):
    """What is noted about the parameters that an E-step was made under."""
    seconds = time.perf_counter() - began
    record = {"iteration": iteration, "objective": objective, "train": train}
    return record | {"validation": validation, "seconds": seconds}


@contextmanager
def each_warning_once():
    """What every iteration would say again is said once, at the end, of the line that calls ``fit``."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for category, text in dict.fromkeys((w.category, str(w.message)) for w in caught):
        warnings.warn(text, category, stacklevel=6)  # over this, contextlib, _fit, _learn and fit
