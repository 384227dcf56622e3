"""What a model expects next: a finite mixture of members of one emission family."""

import numpy as np

from .arrays import choose, map_arrays
from .checks import check_count

__all__ = ["Predictive"]


class Predictive:
    """The distributions of N next observations, each a mixture of C members of one family.

    Parameters
    ----------
    emission : Emission
        The family.
    weights : array (N, C)
        Mixture weights; rows sum to one.
    parameters : NamedTuple
        Of the family, leading axes (N, C) or (1, C).
    template : Sequences
        Data of the kind that the model was fitted to, for the symbols and the form of observations.
    log_weights : array (N, C), optional
        Their logarithms, where weights may be too small for numbers of their own.
    """

    def __init__(self, emission, weights, parameters, template, log_weights=None):
        self.emission = emission
        self.weights = weights
        self._log_weights = log_weights
        self.parameters = parameters
        self._template = template

    def __len__(self):
        return len(self.weights)

    def __repr__(self):
        return f"<Predictive: {len(self)} x {self.weights.shape[1]} {type(self.emission).__name__}>"

    # ---------------------------------------------------------------- in the user's terms

    def log_density(self, x):
        """Logarithm of the density (of the probability, for symbols and counts) of one observation each.

        Parameters
        ----------
        x : list of N observations
            Symbols, numbers or vectors, as in the data.

        Returns
        -------
        array (N,)
        """
        return self.log_density_of(self.encode(x))

    def mean(self):
        """Means, an array (N,) or (N, D)."""
        return self._outside(self.mean_values())

    def mode(self):
        """The most probable symbols (N,); for numbers, the mode of the component of highest density there."""
        return self._outside(self.mode_values())

    def probabilities(self):
        """Probabilities (N, V) of the symbols; the unknown symbol, where it has mass, comes last."""
        if not self.emission.symbolic:
            raise TypeError(f"{type(self.emission).__name__} observations are not symbols; use log_density or interval")
        return self._symbol_probabilities()

    def interval(self, level=0.9):
        """The interval between the quantiles ``(1 - level) / 2`` and ``(1 + level) / 2`` of each column.

        Returns
        -------
        lower, upper : arrays (N,) or (N, D)
        """
        if not 0 < level < 1:
            raise ValueError(f"level is {level!r}; numbers between 0 and 1 are accepted")
        if self.emission.symbolic:
            raise TypeError("symbols have no order, hence no intervals; use probabilities()")
        return tuple(self._outside(self._quantiles((1 + sign * level) / 2)) for sign in (-1, 1))

    def sample(self, random_state=None):
        """One observation each, an array (N,) or (N, D)."""
        return self._outside(self.sample_values(np.random.default_rng(random_state)))

    # ---------------------------------------------------------------- in the models' terms

    def encode(self, x):
        """One observation each as values (N, D)."""
        wrapped = type(self._template).wrap([[observation] for observation in x], name="x")
        if len(wrapped) != len(self):
            raise ValueError(f"x holds {len(wrapped)} observations; one for each of the {len(self)} is accepted")
        if wrapped.n_features != self._template.n_features:
            raise ValueError(
                f"x has {wrapped.n_features} columns; {self._template.n_features}, as in the data, are accepted"
            )
        if self.emission.symbolic:
            return wrapped.encoded(self._template.alphabet, name="x").values
        wrapped = wrapped.numeric("x")
        self.emission.check(wrapped, "x")
        return wrapped.values

    def _outside(self, values):
        outside = self._template.outside(values)
        return np.array(list(outside)) if isinstance(outside, str) else outside

    def log_density_of(self, values):
        """Log densities (N,) of values (N, D)."""
        densities = self.emission.log_density(values[:, None], self.parameters)  # (N, C)
        with np.errstate(divide="ignore", invalid="ignore"):
            log_weights = np.log(self.weights) if self._log_weights is None else self._log_weights
            # a component of weight zero may have any density at all
            joint = np.where(log_weights > -np.inf, densities + log_weights, -np.inf)
            largest = joint.max(axis=1)
            shift = np.where(np.isfinite(largest), largest, 0.0)
            return np.log(np.exp(np.minimum(joint - shift[:, None], 700.0)).sum(axis=1)) + shift

    def mean_values(self):
        """Means (N, D)."""
        return self.emission.mixed_mean(self.weights, self.parameters)

    def mode_values(self):
        """Modes (N, D)."""
        if self.emission.symbolic:
            return self._symbol_probabilities().argmax(axis=1)[:, None]
        modes = self.emission.mode(self.parameters)  # (N or 1, C, D)
        modes = np.broadcast_to(modes, (*self.weights.shape, modes.shape[-1]))
        densities = [self.log_density_of(modes[:, c]) for c in range(modes.shape[1])]
        return modes[np.arange(len(self)), np.argmax(densities, axis=0)]

    def sample_values(self, generator, temperature=1.0, top_k=None, top_p=None):
        """Draw values (N, D); `temperature`, `top_k` and `top_p` reshape the distribution of symbols."""
        if temperature != 1.0 or top_k is not None or top_p is not None:
            probabilities = reshaped(self.probabilities(), temperature, top_k, top_p)
            return choose(probabilities, generator)[:, None]
        values = self.emission.sample(self._picked(choose(self.weights, generator)), generator)
        return values

    def _picked(self, component):
        """Parameters (N,) of one component each."""
        row = np.arange(len(self))
        return map_arrays(lambda array: array[row if len(array) > 1 else 0, component], self.parameters)

    def _symbol_probabilities(self):
        codes = np.arange(self._n_symbols())[:, None, None, None]
        densities = self.emission.log_density(codes, self.parameters)  # (V, N or 1, C)
        return (self.weights * np.exp(densities)).sum(axis=2).T

    def _n_symbols(self):
        """The alphabet, and the unknown symbol where it has mass."""
        V = len(self._template.alphabet)
        unknown = self.emission.log_density(np.full((1, 1, 1), V), self.parameters)
        return V + bool(np.any(np.isfinite(unknown)))

    def _quantiles(self, q):
        """By bisection of the mixture's distribution function, column by column."""
        means = self.emission.mean(self.parameters)  # (N or 1, C, D)

        def below(x):  # (N, D)
            return (self.weights[..., None] * self.emission.cdf(x[:, None], self.parameters)).sum(axis=1) >= q

        shape = (len(self), means.shape[-1])
        spread = 1.0 + np.abs(means).max()
        low, high = np.full(shape, means.min() - spread), np.full(shape, means.max() + spread)
        for _ in range(200):
            if not below(low).any() and below(high).all():
                break
            low, high = np.where(below(low), low - spread, low), np.where(below(high), high, high + spread)
            spread *= 2
        for _ in range(100):
            middle = (low + high) / 2
            low, high = np.where(below(middle), low, middle), np.where(below(middle), middle, high)
        return np.where(self.emission.whole_columns, np.round(high), high)


def reshaped(probabilities, temperature=1.0, top_k=None, top_p=None):
    """Distributions over symbols (N, V), sharpened or flattened, and cut to the likeliest symbols.

    Parameters
    ----------
    temperature : float
        Probabilities are raised to the power ``1 / temperature``.
    top_k : int, optional
        Keep the k most probable symbols.
    top_p : float, optional
        Keep the smallest set of symbols whose probability reaches p (nucleus sampling).
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature!r}; positive numbers are accepted")
    if top_k is not None:
        check_count("top_k", top_k)
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p is {top_p!r}; numbers in (0, 1] are accepted")
    with np.errstate(divide="ignore"):
        logits = np.log(probabilities) / temperature
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    order = np.argsort(-p, axis=1, kind="stable")
    falling = np.take_along_axis(p, order, axis=1)
    kept = np.ones(p.shape, dtype=bool)
    if top_k is not None:
        kept[:, top_k:] = False
    if top_p is not None:
        kept &= np.cumsum(falling, axis=1) - falling < top_p
    np.put_along_axis(p, order, np.where(kept, falling, 0.0), axis=1)
    return p / p.sum(axis=1, keepdims=True)
