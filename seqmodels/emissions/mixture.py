"""A finite mixture of members of any one family."""

from typing import NamedTuple

import numpy as np

from ..arrays import choose, map_arrays, take
from ..forms import MISSING
from .base import Emission, keep_without_mass, refuse_unless_distributions
from .clusters import cluster

__all__ = ["Mixture", "MixtureParameters"]


class MixtureParameters(NamedTuple):
    """Parameters of :class:`Mixture`."""

    weights: np.ndarray  # (..., C)
    components: tuple  # of the mixed family, leading axes (..., C)


class MixtureStatistics(NamedTuple):
    """Expected visits of each component, and the statistics of the mixed family."""

    mass: np.ndarray  # (..., C)
    components: tuple  # leading axes (..., C)


class Mixture(Emission):
    """A mixture within each hidden state, such as the GMM-HMM.

    Parameters
    ----------
    emission : Emission
        The family that is mixed.
    n : int
        The number C of components.
    """

    Parameters = MixtureParameters
    for_networks = False

    def __init__(self, emission, n=2):
        self.emission = emission
        self.n = n

    @property
    def symbolic(self):
        """As the mixed family."""
        return self._mixed.symbolic

    @property
    def discrete(self):
        """As the mixed family."""
        return self._mixed.discrete

    @property
    def unknown(self):
        """What becomes of symbols not seen in fit, as in the mixed family."""
        return getattr(self._mixed, "unknown", "keep")

    @property
    def _mixed(self):
        if not isinstance(self.emission, Emission):
            raise TypeError(f"Mixture(emission={self.emission!r}): an emission such as Gaussian() is accepted")
        return self.emission

    def check(self, sequences, name="X"):
        if not (isinstance(self.n, int | np.integer) and self.n >= 1):
            raise ValueError(f"Mixture(n={self.n!r}): integers from 1 are accepted")
        self._mixed.check(sequences, name)

    def log_density(self, values, parameters):
        densities = self.emission.log_density(values[..., None, :], parameters.components)
        return _log_sum(densities, parameters.weights)

    def smoothed(self):
        return Mixture(self.emission.smoothed(), self.n)

    # ---------------------------------------------------------------- hidden Markov models

    def distinct(self, values):
        return self.emission.distinct(values)

    def log_table(self, values, parameters):
        return _log_sum(self._component_table(values, parameters), parameters.weights)

    def _component_table(self, values, parameters):
        K, C = parameters.weights.shape
        flat = map_arrays(lambda array: array.reshape(K * C, *array.shape[2:]), parameters.components)
        return self.emission.log_table(values, flat).reshape(len(values), K, C)

    def rough(self, sequences):
        components = self.emission.rough(sequences)
        components = map_arrays(lambda array: np.repeat(array[None], self.n, axis=1), components)
        return MixtureParameters(np.full((1, self.n), 1 / self.n), components)

    def fit_marginal(self, sequences, weights=None):
        """By EM from a k-means start, to a gain below 1e-6 nats an observation."""
        smoothed = self.smoothed()
        weights = np.ones(sequences.n_observations) if weights is None else np.asarray(weights, dtype=float)
        values, rows = smoothed.distinct(sequences.values)
        visits = np.bincount(rows, weights, len(values))[:, None]
        generator = np.random.default_rng(0)
        parameters = smoothed.initial_parameters(values, visits, smoothed.rough(sequences), generator)
        previous = -np.inf
        for _ in range(1000):
            with np.errstate(invalid="ignore"):
                value = float(visits[:, 0] @ smoothed.log_table(values, parameters)[:, 0])
            value += smoothed.log_prior(parameters)
            if value - previous < 1e-6 * visits.sum():
                break
            previous = value
            statistics = smoothed.sufficient_statistics(values, visits, parameters)
            parameters = smoothed.maximize(statistics, parameters)
        return take(parameters, 0)

    def initial_parameters(self, values, visits, rough, generator):
        """Each state's share of the data is split by k-means, or at random where distances mean nothing."""
        S, K = visits.shape
        generator = np.random.default_rng(0) if generator is None else generator
        points = self.points(values)
        shares = np.empty((S, K, self.n))
        for k in range(K):
            labels = None if points is None else cluster(points, visits[:, k], self.n, generator)
            if labels is None:
                shares[:, k] = generator.dirichlet(np.ones(self.n), S)
            else:
                shares[:, k] = np.eye(self.n)[labels]
        split = visits[:, :, None] * shares
        components = map_arrays(lambda array: array[:, 0], rough.components)
        components = self.emission.initial_parameters(values, split.reshape(S, -1), components, generator)
        components = map_arrays(lambda array: array.reshape(K, self.n, *array.shape[1:]), components)
        mass = split.sum(axis=0)
        total = mass.sum(axis=-1, keepdims=True)
        with np.errstate(invalid="ignore", divide="ignore"):
            weights = (mass / total + 1e-3) / (1 + 1e-3 * self.n)
        return MixtureParameters(np.where(total > 0, weights, 1 / self.n), components)

    def sufficient_statistics(self, values, visits, parameters):
        """Visits of each component, and the mixed family's statistics under them."""
        K, C = parameters.weights.shape
        missing = (values == MISSING if self.symbolic else np.isnan(values)).all(axis=1)
        if missing.any():  # they say nothing about the weights
            values, visits = values[~missing], visits[~missing]
        joint = self._component_table(values, parameters)
        with np.errstate(divide="ignore"):
            joint = joint + np.log(parameters.weights)
        largest = joint.max(axis=2, keepdims=True)
        shares = np.exp(joint - np.where(np.isfinite(largest), largest, 0.0))
        shares /= np.maximum(shares.sum(axis=2, keepdims=True), np.finfo(float).tiny)
        split = (visits[:, :, None] * shares).reshape(len(values), K * C)
        flat = map_arrays(lambda array: array.reshape(K * C, *array.shape[2:]), parameters.components)
        statistics = self.emission.sufficient_statistics(values, split, flat)
        unflatten = map_arrays(lambda array: array.reshape(K, C, *array.shape[1:]), statistics)
        return MixtureStatistics(split.sum(axis=0).reshape(K, C), unflatten)

    def maximize(self, statistics, parameters):
        """Each part by itself."""
        total = statistics.mass.sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            weights = statistics.mass / total[..., None]
        return MixtureParameters(
            keep_without_mass(total, weights, parameters.weights),
            self.emission.maximize(statistics.components, parameters.components),
        )

    def points(self, values):
        return self.emission.points(values)

    def log_prior(self, parameters):
        return self.emission.log_prior(parameters.components)

    def parameters_from(self, given):
        if isinstance(given, dict) and isinstance(given.get("components"), dict):
            given = given | {"components": self.emission.parameters_from(given["components"])}
        return super().parameters_from(given)

    def check_parameters(self, parameters):
        refuse_unless_distributions(parameters.weights)
        self.emission.check_parameters(parameters.components)

    def n_symbols(self, parameters):
        """As the mixed family."""
        return self.emission.n_symbols(parameters.components)

    def n_parameters(self, parameters):
        free_weights = parameters.weights.size - parameters.weights[..., 0].size
        return free_weights + self.emission.n_parameters(parameters.components)

    # ---------------------------------------------------------------- both

    def sample(self, parameters, generator):
        chosen = choose(parameters.weights, generator)
        return self.emission.sample(self._chosen(parameters, chosen), generator)

    def _chosen(self, parameters, chosen):
        def pick(array):
            index = chosen.reshape(chosen.shape + (1,) * (array.ndim - chosen.ndim))
            return np.take_along_axis(array, index, axis=chosen.ndim).squeeze(chosen.ndim)

        return map_arrays(pick, parameters.components)

    def mean(self, parameters):
        return self.emission.mixed_mean(parameters.weights, parameters.components)

    def mixed_mean(self, weights, parameters):
        """That of all components at once, for families whose means are no sums."""
        n = weights.ndim - 1
        joint, components = map_arrays(
            lambda array: array.reshape(*array.shape[:n], -1, *array.shape[n + 2 :]),
            MixtureParameters(weights[..., None] * parameters.weights, parameters.components),
        )
        return self.emission.mixed_mean(joint, components)

    def mode(self, parameters):
        """The most probable of the components' modes."""
        modes = self.emission.mode(parameters.components)  # (..., C, D)
        own = map_arrays(lambda array: np.expand_dims(array, parameters.weights.ndim - 1), parameters)
        best = self.log_density(modes, own).argmax(axis=-1)
        return np.take_along_axis(modes, best[..., None, None], axis=-2)[..., 0, :]

    def cdf(self, values, parameters):
        parts = self.emission.cdf(values[..., None, :], parameters.components)
        return (parameters.weights[..., None] * parts).sum(axis=-2)


def _log_sum(densities, weights):
    with np.errstate(divide="ignore"):
        joint = densities + np.log(weights)
    largest = joint.max(axis=-1, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(joint - largest).sum(axis=-1)) + largest[..., 0]
