"""Outputs that combine or extend families, above a network: gradients through time, and what they gain."""

import numpy as np
import pytest

from seqmodels import RNN
from seqmodels.emissions import (
    Bernoulli,
    Categorical,
    Gaussian,
    Mixture,
    NegativeBinomial,
    Poisson,
    Product,
    StudentT,
    ZeroInflated,
)
from seqmodels.rnn import GRU, LSTM, Adam

from .cases import LENGTHS, network_with_random_weights
from .test_gradients import assert_gradient_is_right

OUTPUTS = {
    "full": Gaussian("full"),
    "mixture of Bernoullis": Mixture(Bernoulli(), 3),
    "mixture of full": Mixture(Gaussian("full", covariance_prior=[100.0, 1.0, 25.0], covariance_weight=4.0), 2),
    "mixture of tied": Mixture(Gaussian("tied", covariance_prior=[100.0, 1.0, 25.0], covariance_weight=4.0), 2),
    "mixture of symbols": Mixture(Categorical(), 2),
    "zero-inflated": ZeroInflated(Poisson()),
    "zero-inflated, overdispersed": ZeroInflated(NegativeBinomial()),
    "product": Product([Mixture(Poisson(), 2), Categorical(), StudentT()]),
}


def data(emission):
    generator = np.random.default_rng(5)
    if emission.symbolic:
        X = [generator.integers(4, size=length).tolist() for length in LENGTHS]
        X[0][1] = X[2][0] = X[2][2] = None
        return X
    counts, numbers = generator.poisson(1.0, (11, 3)), generator.normal([100, -3, 0], [10, 1, 5], (11, 3))
    table = {Mixture: 1.0 * (counts > 0), ZeroInflated: counts * 1.0, Gaussian: numbers}.get(type(emission), numbers)
    if isinstance(emission, Product):
        table = np.column_stack([counts[:, 0], counts[:, 1] % 3, numbers[:, 2]])
    if "Gaussian" in repr(emission) and isinstance(emission, Mixture):
        table = numbers
    table[2, 1] = table[6] = table[8] = np.nan
    return np.split(table, np.cumsum(LENGTHS)[:-1])


@pytest.mark.parametrize("emission", OUTPUTS.values(), ids=OUTPUTS.keys())
def test_gradients_equal_central_differences(emission):
    X = data(emission)
    model = network_with_random_weights([GRU(2), LSTM(2)], emission, X)
    assert_gradient_is_right(model, X)


@pytest.mark.parametrize("emission", OUTPUTS.values(), ids=OUTPUTS.keys())
def test_terms_are_densities_of_what_the_raw_outputs_mean(emission):
    X = data(emission)
    model = network_with_random_weights(LSTM(3), emission, X)
    for x, terms in zip(X, model.log_likelihoods(X), strict=True):
        stream = model.stream()
        np.testing.assert_allclose([stream.update(observation) for observation in x], terms, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(("emission", "n_free"), [(Gaussian("tied"), 2), (Mixture(Gaussian("tied"), 2), 2 + 2 * 2)])
def test_a_tied_covariance_is_the_same_at_all_times_and_learnt(emission, n_free, rng):
    X = [np.cumsum(rng.normal(size=(30, 2)), axis=0) for _ in range(4)]
    model = RNN(GRU(3), emission, optimizer=Adam(1e-2), max_epochs=4, validation_fraction=0, random_state=0).fit(X)
    weights, bias = model.weights_["weight_out"], model.weights_["bias_out"]
    assert weights.shape == (n_free + 3, 3)
    assert weights[:n_free].all() and not weights[n_free:].any()
    assert bias.all()
    assert model.n_parameters_ == sum(array.size for array in model.weights_.values()) - 3 * 3
    streams = [model.stream(), model.stream()]
    streams[1].update([5.0, -3.0])
    first, second = (stream.predictive.parameters for stream in streams)
    first, second = (getattr(parameters, "components", parameters).covariances for parameters in (first, second))
    np.testing.assert_array_equal(first, second)


@pytest.mark.compiled
def test_a_mixture_knows_which_bits_go_together(rng):
    """Chords: bits of one time are far from independent, whatever the past says."""
    chords = np.array([[1, 1, 0, 0, 1, 0], [0, 1, 1, 0, 0, 1], [1, 0, 0, 1, 0, 1], [0, 0, 0, 1, 1, 0]]) * 1.0
    X = [np.abs(chords[rng.integers(4, size=30)] - (rng.random((30, 6)) < 0.02)) for _ in range(60)]
    networks = [
        RNN(LSTM(4), emission, optimizer=Adam(1e-2), max_epochs=5, random_state=0).fit(X[:40])
        for emission in (Bernoulli(), Mixture(Bernoulli(), 4))
    ]
    one, mixture = (network.score(X[40:]) for network in networks)
    assert mixture > one + 1.5
    assert mixture == pytest.approx(-np.log(4) - 6 * 0.098, abs=0.15)  # four chords, and the entropy of the noise
