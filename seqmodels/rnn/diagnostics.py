"""Questions to a network about its gradients."""

import copy
from typing import NamedTuple

import numpy as np
from sklearn.base import clone

from ..checks import check_count
from ..threads import one_blas_thread
from .dropout import Dropout
from .layers import OUTPUT
from .network import Network
from .packing import Arena

__all__ = ["Checked", "Diagnostics", "GradientCheck"]

STEP = 1e-3  # of differences


class Checked(NamedTuple):
    """What was found of the gradient of one array of weights."""

    error: float
    """The largest deviation from central differences, relative to the largest entry of these."""
    largest: float
    """The largest entry of the differences, in nats per observation and unit of the weight."""
    n_entries: int
    """How many entries were checked."""


class GradientCheck(dict):
    """A `Checked` for each array of weights, by its name in ``weights_``; prints as a table."""

    @property
    def error(self):
        """The largest of all relative errors."""
        return max(checked.error for checked in self.values())

    def __repr__(self):
        width = max(map(len, self))
        lines = [f"{'weight':{width}}  entries  largest gradient  relative error"]
        lines += [f"{name:{width}}  {c.n_entries:7d}  {c.largest:16.3e}  {c.error:14.1e}" for name, c in self.items()]
        return "\n".join(lines)


class Diagnostics:
    """What an RNN tells about its gradients."""

    def check_gradients(self, X, n_entries=20, *, lengths=None, context=None, random_state=0):
        """Hold the gradient of backpropagation through time against central differences, in double precision.

        Of the loss that training minimises, without penalties, all sequences as one batch, under the masks of one
        draw where there is dropout; with a truncation, window by window, the state before each as given. A fitted
        network is checked at its weights; one that is not is made for X, as `fit` would, and checked at random ones.

        Parameters
        ----------
        X : like the data of `fit`
        n_entries : int or None
            How many entries of each array of weights are checked, at random; None for all.
        lengths, context : optional
            As for `fit`.
        random_state : int
            Seed of the entries, the masks and the weights.

        Returns
        -------
        GradientCheck
            An error well below 1e-7 is that of rounding; units that are rectified have none at their kink.
        """
        if n_entries is not None:
            check_count("n_entries", n_entries)
        generator = np.random.default_rng(random_state)
        model, vector = self, None
        if not hasattr(self, "_network"):
            model = clone(self).set_params(max_epochs=0, validation_fraction=0, verbose=0, callbacks=None)
            model.fit(X, lengths=lengths, context=context)
        network = in_double_precision(model._network)
        vector = model._weights.astype(float) if model is self else random_weights(network, generator)
        sequences = model._known(X, lengths, context=context)
        entries = some_entries(network, n_entries, generator)
        with one_blas_thread():
            found = _largest_deviations(
                network, vector, sequences, self.truncation, self._dropout_rates, entries, random_state
            )
        return GradientCheck(
            {
                self._title(key): Checked(deviation / largest if deviation else 0.0, largest, len(entries[key]))
                for key, (deviation, largest) in found.items()
            }
        )


def in_double_precision(network):
    """The same network, with weights and states in double precision."""
    inputs, context, embedding = map(copy.copy, (network.inputs, network.context, network.embedding))
    for part in (inputs, context):
        if hasattr(part, "dtype"):
            part.dtype = np.dtype(float)
    if embedding is not None:
        embedding.table = embedding.table.astype(float)
    return Network(inputs, network.stack.cells, network.family, network.marginal, float, context, embedding)


def random_weights(network, generator):
    """A vector (W,) at which nothing is special: no weight that is zero at the start still is."""
    vector = network.initial_weights(generator)
    named = network.named(vector)
    for array in named.values():
        array += generator.normal(scale=len(array) ** -0.5 if array.ndim == 2 else 0.3, size=array.shape)
    named[OUTPUT, "weight"][:, network.family.constant_raw(network.marginal)] = 0
    return vector


def some_entries(network, n, generator):
    """Places in a vector (W,) of n weights of each array (of all, if None), by (layer, name)."""
    found, constant = {}, network.family.constant_raw(network.marginal)
    for key, places in network.named(np.arange(network.n_weights)).items():
        own = places[:, ~constant] if key == (OUTPUT, "weight") else places
        if own.size:
            found[key] = generator.permutation(own.ravel())[:n]
    return found


def _largest_deviations(network, vector, sequences, truncation, rates, entries, seed):
    """For each array of weights, of some `entries` of a vector: the largest deviation, and the largest difference."""
    weighted, found = network.weighted(sequences, None, truncation), {key: (0.0, 0.0) for key in entries}
    arena = Arena()
    for number, window in enumerate(network.windows(weighted, np.arange(len(sequences)))):
        start = None if window.state is None else window.state.copy()

        def value_and_gradient(vector, state, number=number, window=window):
            dropout = Dropout(rates, np.random.default_rng([seed, number])) if rates else None
            value, mass, gradient = network.loss_and_gradient(
                vector, weighted, window.which, arena, None, state, dropout
            )
            return -value / mass if mass else 0.0, gradient

        own = value_and_gradient(vector, window.state)[1].copy()
        for key, places in entries.items():
            truth = np.array([_difference(value_and_gradient, vector, place, start) for place in places])
            deviation, largest = found[key]
            found[key] = max(deviation, np.abs(own[places] - truth).max()), max(largest, np.abs(truth).max())
    return found


def _difference(value_and_gradient, vector, place, start):
    """A central difference of fourth order."""
    values = []
    for steps in (-2, -1, 1, 2):
        shifted = vector.copy()
        shifted[place] += steps * STEP
        values.append(value_and_gradient(shifted, None if start is None else start.copy())[0])
    return (8 * (values[2] - values[1]) - (values[3] - values[0])) / (12 * STEP)
