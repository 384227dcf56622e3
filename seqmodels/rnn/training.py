"""Minibatch training with early stopping: knows losses and gradients, and nothing about cells."""

import math
import time
from typing import NamedTuple

import numpy as np

from .optimizers import sum_of_squares

__all__ = ["Outcome", "train"]

REPORT_EVERY = 20_000  # observations between two reports within an epoch


class Outcome(NamedTuple):
    """What training ends with."""

    weights: np.ndarray
    n_epochs: int
    converged: bool


def train(
    weights, loss_and_gradient, windows, n_sequences, validate, descent, *, max_epochs, batch_size, patience, generator,
    report,
):  # fmt: skip
    """Minimise a loss over batches of sequences.

    Parameters
    ----------
    weights : array (W,)
        Changed in place.
    loss_and_gradient : callable
        Of (weights, what an update learns from): log-likelihood, mass, gradient.
    windows : callable
        Of the numbers of the sequences in a batch: what its updates learn from, one after the other. Each has
        the share of the batch that is then `done`.
    n_sequences : int
    validate : callable or None
        Held-out nats per observation of weights. The best weights are kept, the initial ones included, and
        training has converged when `patience` epochs have not bettered them.
    descent : Descent
        Turns gradients into steps.
    max_epochs, batch_size, patience : int
    generator : numpy.random.Generator
        Shuffles the sequences.
    report : callable
        Of (weights, record, whether it belongs to the history); returning True stops.

    Returns
    -------
    Outcome

    Raises
    ------
    FloatingPointError
        Where training diverges.
    """
    began = time.perf_counter()

    def record(epoch, train=None, validation=None):
        seconds, rate = time.perf_counter() - began, descent.learning_rate
        return {"epoch": epoch, "train": train, "validation": validation, "seconds": seconds, "learning_rate": rate}

    best = weights.copy()
    best_value = -np.inf if validate is None else validate(weights)
    stop = report(weights, record(0.0, None, None if validate is None else best_value), True)
    since_best = epoch = 0
    if validate is not None:
        descent.start_from(-best_value)
    while not stop and epoch < max_epochs and since_best < patience:
        order = generator.permutation(n_sequences)
        log_likelihood = mass = unreported = 0.0
        for window, share in _epoch(windows, order, batch_size):
            with _overflow_allowed():
                value, count, gradient = loss_and_gradient(weights, window)
                _check_finite(epoch + 1, gradient, value)
                descent.step(weights, gradient)
            log_likelihood, mass, unreported = log_likelihood + value, mass + float(count), unreported + count
            if unreported >= REPORT_EVERY and share < 1:
                unreported = 0.0
                if stop := report(weights, record(epoch + share, log_likelihood / mass), False):
                    break
        epoch += 1
        _check_finite(epoch, weights)
        with _overflow_allowed():
            value = None if validate is None else validate(weights)
        if validate is None or value > best_value:
            best, best_value, since_best = weights.copy(), value, 0
        else:
            since_best += 1
        stop = report(weights, record(float(epoch), log_likelihood / mass, value), True) or stop
        descent.after_epoch(-(log_likelihood / mass if value is None else value))
    return Outcome(best, epoch, since_best >= patience)


def _epoch(windows, order, batch_size):
    """What each update learns from, and the share of the epoch that is done after it."""
    for first in range(0, len(order), batch_size):
        which = order[first : first + batch_size]
        for window in windows(which):
            yield window, (first + len(which) * window.done) / len(order)


def _overflow_allowed():
    """No warnings, for what overflows is either found by `_check_finite` or a validation score worse than any."""
    return np.errstate(over="ignore", invalid="ignore")


def _check_finite(epoch, array, number=0.0):
    if not (math.isfinite(number) and math.isfinite(sum_of_squares(array))):  # in one pass, without another array
        raise FloatingPointError(
            f"the loss, its gradient or the weights became infinite or NaN in epoch {epoch}; "
            "a smaller learning_rate or clip_norm would help"
        )
