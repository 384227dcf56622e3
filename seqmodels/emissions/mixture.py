"""A finite mixture of members of any one family."""

from typing import NamedTuple

import numpy as np

from ..arrays import aligned, choose, map_arrays, padded, padded_width, take
from .base import Emission
from .clusters import cluster
from .helpers import keep_without_mass, refuse_past, refuse_unless_distributions
from .mixture_tiles import MixtureTiles

__all__ = ["Mixture", "MixtureParameters"]


class MixtureParameters(NamedTuple):
    """Parameters of :class:`Mixture`."""

    weights: np.ndarray  # (..., C)
    components: tuple  # of the mixed family, leading axes (..., C)


class Mixture(Emission):
    """A mixture: within each hidden state, such as the GMM-HMM, or at each time step above a network.

    Under a network (a mixture density network) the mixture fitted to all training data is where it starts, so
    that components differ from the beginning.

    Parameters
    ----------
    emission : Emission
        The family that is mixed.
    n : int
        The number C of components.
    """

    Parameters = MixtureParameters

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
    def whole_columns(self):
        """As the mixed family."""
        return self._mixed.whole_columns

    @property
    def symbolic_columns(self):
        """As the mixed family."""
        return self._mixed.symbolic_columns

    @property
    def for_networks(self):
        """As the mixed family."""
        return self._mixed.for_networks

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
        refuse_past(self._mixed, "Mixture")
        self._mixed.check(sequences, name)

    def log_density(self, values, parameters):
        densities = self.emission.log_density(values[..., None, :], parameters.components)
        return _log_sum(densities, parameters.weights)

    def smoothed(self):
        return Mixture(self.emission.smoothed(), self.n)

    def interior(self, parameters, n_observations):
        return parameters._replace(components=self.emission.interior(parameters.components, n_observations))

    # ---------------------------------------------------------------- hidden Markov models

    def distinct(self, values):
        return self.emission.distinct(values)

    def in_tiles(self, parameters, width):
        return MixtureTiles(self, parameters, width)

    def log_table(self, values, parameters):
        K = len(parameters.weights)
        table = aligned(len(values), padded_width(K))
        self.in_tiles(parameters, table.shape[1]).fill_log_table(values, table)
        return table[:, :K]

    def rough(self, sequences):
        components = self.emission.rough(sequences)
        components = map_arrays(lambda array: np.repeat(array[None], self.n, axis=1), components)
        return MixtureParameters(np.full((1, self.n), 1 / self.n), components)

    def one_step_is_enough(self, values):
        return False

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
        width = padded_width(visits.shape[1])
        return self.in_tiles(parameters, width).statistics(values, padded(visits, len(visits), width))

    def maximize(self, statistics, parameters):
        """Each part by itself."""
        return self.maximize_free(statistics, parameters, ())

    @property
    def freezable(self):
        """The weights, all of the components, or what of these can be held."""
        return tuple(dict.fromkeys((*MixtureParameters._fields, *self._mixed.freezable)))

    def maximize_free(self, statistics, parameters, fixed):
        total = statistics.mass.sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            weights = keep_without_mass(total, statistics.mass / total[..., None], parameters.weights)
        components = parameters.components
        if "components" not in fixed:
            components = self.emission.maximize_free(statistics.components, components, fixed)
        return MixtureParameters(parameters.weights if "weights" in fixed else weights, components)

    def rebased(self, statistics, old, new):
        """Those of the components."""
        components = self.emission.rebased(statistics.components, old.components, new.components)
        return statistics._replace(components=components)

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
        return self.n_free(parameters, ())

    def n_free(self, parameters, fixed):
        weights = parameters.weights
        in_components = 0 if "components" in fixed else self.emission.n_free(parameters.components, fixed)
        return in_components + (0 if "weights" in fixed else weights.size - weights[..., 0].size)

    # ---------------------------------------------------------------- networks

    def n_raw(self, marginal):
        """One logit a component, the raw outputs of each, and once those that are constant."""
        return self.constant_raw(marginal).size

    def constant_raw(self, marginal):
        constant = self.emission.constant_raw(take(marginal.components, 0))
        own = np.zeros(self.n * (1 + np.count_nonzero(~constant)), dtype=bool)
        return np.concatenate([own, constant[constant]])

    def _places(self, marginal):
        """Which raw outputs are those of each component: slices, or arrays of int where some are shared."""
        constant = self.emission.constant_raw(take(marginal.components, 0))
        R = np.count_nonzero(~constant)
        starts = self.n + R * np.arange(self.n)
        if R == len(constant):
            return [slice(start, start + R) for start in starts]
        places = np.empty((self.n, len(constant)), dtype=int)
        places[:, ~constant] = starts[:, None] + np.arange(R)
        places[:, constant] = self.n * (1 + R) + np.arange(len(constant) - R)
        return list(places)

    def from_raw(self, raw, marginal):
        """Softmax of the logits plus those of the marginal's weights; components relative to the marginal's."""
        parts = [
            self.emission.from_raw(raw[..., place], take(marginal.components, c))
            for c, place in enumerate(self._places(marginal))
        ]
        components = map_arrays(lambda *arrays: np.stack(arrays, axis=raw.ndim - 1), *parts)
        return MixtureParameters(np.exp(_log_weights(raw[..., : self.n], marginal)), components)

    def compiled(self, marginal, dtype):
        return self.emission.compiled_mixture(marginal, dtype)

    def value_and_gradient(self, values, raw, marginal, out):
        """Log densities (n,), and their gradient in `raw` (n, R) written to `out`.

        That of a component's raw outputs is its own gradient times its responsibility.
        """
        places = self._places(marginal)
        log_weights = _log_weights(raw[:, : self.n].astype(float), marginal)
        joint, gradients = np.empty_like(log_weights), []
        for c, place in enumerate(places):
            gradient = out[:, place]  # a view, unless places are shared
            member = take(marginal.components, c)
            joint[:, c] = self.emission.value_and_gradient(values, raw[:, place], member, gradient)
            gradients.append(gradient)
        joint += log_weights
        largest = joint.max(axis=1)
        odds = np.exp(joint - np.where(np.isfinite(largest), largest, 0.0)[:, None])  # of nothing, where impossible
        total = odds.sum(axis=1)
        shares = odds / np.where(total > 0, total, 1.0)[:, None]
        counts = (total > 0) & ~self.missing(values).all(axis=1)
        if not isinstance(places[0], slice):
            out[:, self.n :] = 0
        for c, (place, gradient) in enumerate(zip(places, gradients, strict=True)):
            gradient *= shares[:, c, None].astype(raw.dtype)
            if not isinstance(place, slice):
                out[:, place] += gradient
        out[:, : self.n] = shares - np.exp(log_weights)
        out[~counts] = 0
        with np.errstate(divide="ignore"):
            return np.where(counts | (total == 0), np.log(total) + largest, 0.0)

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


def _log_weights(logits, marginal):
    """Logarithms (..., C) of the weights that logits (..., C) stand for; a weight of zero stays zero."""
    with np.errstate(divide="ignore"):
        joint = logits + np.log(marginal.weights)
    odds = joint - joint.max(axis=-1, keepdims=True)
    return odds - np.log(np.exp(odds).sum(axis=-1, keepdims=True))


def _log_sum(densities, weights):
    with np.errstate(divide="ignore"):
        joint = densities + np.log(weights)
    largest = joint.max(axis=-1, keepdims=True)
    largest = np.where(np.isfinite(largest), largest, 0.0)
    with np.errstate(divide="ignore"):
        return np.log(np.exp(joint - largest).sum(axis=-1)) + largest[..., 0]
