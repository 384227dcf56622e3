"""Expectation-maximisation of any model that says what its steps are."""

import numbers
import time
import warnings
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from .training import Run

__all__ = ["Steps", "check_training", "climb", "each_warning_once"]


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
        record = {"iteration": iteration, "objective": objective, "train": log_likelihood / n_scored}
        records.append(record | {"validation": held_out, "seconds": time.perf_counter() - began})
        stop = report is not None and report(parameters, records[-1])
        converged = bool(objective - previous < tol * n_scored) and iteration > 0
        if stop or converged or iteration == max_iter:
            break
        previous = objective
        parameters = steps.maximize(found, parameters)
    return Run(best, best_value, records, converged)


def check_training(model, least_states=1):
    """Raise a ValueError that names the first hyperparameter of training that is out of range."""
    for name, least in (("n_states", least_states), ("n_init", 1), ("max_iter", 0)):
        value = getattr(model, name)
        if not (isinstance(value, int | np.integer) and value >= least):
            raise ValueError(f"{name} is {value!r}; integers from {least} are accepted")
    if not (isinstance(model.tol, numbers.Real) and model.tol >= 0):
        raise ValueError(f"tol is {model.tol!r}; numbers from 0 are accepted")
    if not (isinstance(model.init, dict) or model.init in ("kmeans", "random")):
        raise ValueError(f"init is {model.init!r}; 'kmeans', 'random' or a dict is accepted")
    if not (model.n_jobs is None or (isinstance(model.n_jobs, int | np.integer) and model.n_jobs != 0)):
        raise ValueError(f"n_jobs is {model.n_jobs!r}; None and integers but 0 are accepted")


@contextmanager
def each_warning_once(stacklevel=4):
    """What every iteration would say again is said once, at the end."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for category, text in dict.fromkeys((w.category, str(w.message)) for w in caught):
        warnings.warn(text, category, stacklevel=stacklevel)
