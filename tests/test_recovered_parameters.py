"""Families that combine others: both models find the parameters that data were drawn with."""

import numpy as np
import pytest

from seqmodels import HMM, RNN
from seqmodels.arrays import map_arrays, take
from seqmodels.emissions import (
    Bernoulli,
    BernoulliParameters,
    Categorical,
    CategoricalParameters,
    Gaussian,
    GaussianParameters,
    Mixture,
    MixtureParameters,
    Poisson,
    PoissonParameters,
    Product,
    ProductParameters,
    ZeroInflated,
    ZeroInflatedParameters,
)
from seqmodels.rnn import LSTM, Adam

NUMBERS = GaussianParameters(np.array([[0.0], [4.0]]), np.array([[1.0], [0.5]]))
MATRICES = np.array([[[1.0, 0.7], [0.7, 1.0]], [[2.0, -0.8], [-0.8, 1.0]]])
TRUTHS = {  # of two states
    "full": (Gaussian("full"), GaussianParameters(np.array([[0.0, 0.0], [3.0, -2.0]]), MATRICES)),
    "zero-inflated": (
        ZeroInflated(Poisson()),
        ZeroInflatedParameters(np.array([[0.3], [0.1]]), PoissonParameters(np.array([[2.0], [9.0]]))),
    ),
    "product": (
        Product([Gaussian(), Categorical(0.1)]),
        ProductParameters((NUMBERS, CategoricalParameters(np.array([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8]])))),
    ),
    "mixture": (
        Mixture(Bernoulli(), 2),
        MixtureParameters(
            np.array([[0.3, 0.7], [0.5, 0.5]]),
            BernoulliParameters(
                np.array(
                    [
                        [[0.9, 0.9, 0.9, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.1, 0.1, 0.1]],
                        [[0.9, 0.1, 0.9, 0.9, 0.9, 0.9], [0.1, 0.9, 0.1, 0.9, 0.9, 0.9]],
                    ]
                )
            ),
        ),
    ),
}

PARTS = np.array([[0.9, 0.9, 0.9, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.9, 0.9, 0.9]])  # the same in both states
SHARED = MixtureParameters(
    np.array([[0.8, 0.2], [0.3, 0.7]]),
    BernoulliParameters(np.array([np.hstack([PARTS, np.full((2, 1), p)]) for p in (0.1, 0.9)])),
)


def drawn(name, stay, n_sequences, length, seed=0):
    """Sequences, and the model that they come from."""
    family, parameters = (TRUTHS | {"shared parts": (Mixture(Bernoulli(), 2), SHARED)})[name]
    chain = np.full((2, 2), 1 - stay) + np.eye(2) * (2 * stay - 1)
    if name == "product":  # the unknown symbol's column
        codes = np.hstack([parameters.factors[1].probabilities, np.zeros((2, 1))])
        parameters = ProductParameters((parameters.factors[0], CategoricalParameters(codes)))
    model = HMM.from_parameters([0.5, 0.5], chain, parameters, family)
    return model.sample(n_sequences, length, random_state=seed), model


def arrays(parameters):
    if isinstance(parameters, tuple):
        return [array for part in parameters for array in arrays(part)]
    return [parameters]


@pytest.mark.compiled
@pytest.mark.parametrize("name", TRUTHS)
def test_hidden_markov_models_recover_what_they_were_drawn_from(name):
    X, truth = drawn(name, 0.9, 10, 1000)
    generator = np.random.default_rng(1)
    X = [np.where(generator.random(x.shape) < 0.05, np.nan, x) for x in X]
    model = HMM(2, truth.family_, n_init=3, random_state=0).fit(X)
    states = sorted(range(2), key=lambda k: float(model.family_.mean(model.emission_)[k].sum()))
    if model.family_.mean(truth.emission_)[0].sum() > model.family_.mean(truth.emission_)[1].sum():
        states = states[::-1]
    own = take(model.emission_, np.array(states))
    if name == "mixture":
        order = np.argsort(-own.components.probabilities[..., 0], axis=1)
        own = map_arrays(lambda array: np.array([array[k][order[k]] for k in range(2)]), own)
    for a, b in zip(arrays(own), arrays(truth.emission_), strict=True):
        # some 5,000 observations a state: four standard errors, or a little more
        np.testing.assert_allclose(a, b, atol=0.15 if np.max(b) > 1 else 0.05)
    np.testing.assert_allclose(np.diag(model.transition_), 0.9, atol=0.02)


@pytest.mark.compiled
@pytest.mark.parametrize("name", ["full", "zero-inflated", "product", "shared parts"])
def test_networks_recover_what_they_were_drawn_from(name):
    """States that always change are known from the past; the network comes close to the true model."""
    X, truth = drawn(name, 0.001, 200, 40)
    held_out, _ = drawn(name, 0.001, 50, 40, seed=1)
    network = RNN(LSTM(8), truth.family_, optimizer=Adam(1e-2), batch_size=10, max_epochs=30, random_state=0).fit(X)
    best, start = truth.score(held_out), network.family_.log_density(np.concatenate(held_out), network.marginal_).mean()
    assert network.score(held_out) > best - 0.2 * (best - start)
    assert network.score(held_out) > start
    after = network.predict_next([x[:-1] for x in held_out])
    expected = truth.predict_next([x[:-1] for x in held_out])
    np.testing.assert_allclose(after.mean().mean(axis=0), expected.mean().mean(axis=0), atol=0.3)
    assert np.abs(after.mean()[..., 0] - expected.mean()[..., 0]).mean() < 0.5
