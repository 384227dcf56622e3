"""Every family recovers the parameters that data were sampled from: in the states of an HMM, and under an LSTM."""

import numpy as np
import pytest

from seqmodels import HMM, RNN
from seqmodels.arrays import map_arrays, take
from seqmodels.emissions import (
    Bernoulli,
    Beta,
    Exponential,
    Gamma,
    Gaussian,
    Geometric,
    Laplace,
    LogNormal,
    Multinomial,
    NegativeBinomial,
    Poisson,
    StudentT,
    VonMises,
)
from seqmodels.rnn import LSTM, Adam

TRUTHS = {  # two members of two or three columns
    "Bernoulli": Bernoulli.Parameters(np.array([[0.05, 0.1, 0.2], [0.9, 0.95, 0.7]])),
    "Poisson": Poisson.Parameters(np.array([[1.0, 4.0], [6.0, 15.0]])),
    "Gaussian": Gaussian.Parameters(np.array([[0.0, 5.0], [4.0, -5.0]]), np.array([[1.0, 9.0], [2.0, 1.0]])),
    "NegativeBinomial": NegativeBinomial.Parameters(np.array([[2.0, 30.0], [20.0, 4.0]]), np.array([[3.0, 2], [4, 6]])),
    "Geometric": Geometric.Parameters(np.array([[0.7, 0.1], [0.05, 0.6]])),
    "Multinomial": Multinomial.Parameters(np.array([[0.6, 0.3, 0.1], [0.1, 0.2, 0.7]]), np.array([9.0, 9.0])),
    "StudentT": StudentT.Parameters(np.array([[0.0, 5], [8, -5]]), np.array([[1.0, 2], [2, 1]]), np.full((2, 2), 4.0)),
    "Laplace": Laplace.Parameters(np.array([[0.0, 5.0], [8.0, -5.0]]), np.array([[1.0, 2.0], [2.0, 0.5]])),
    "LogNormal": LogNormal.Parameters(np.array([[0.0, 3.0], [2.0, 1.0]]), np.array([[0.5, 1.0], [1.0, 0.3]])),
    "Exponential": Exponential.Parameters(np.array([[0.1, 20.0], [2.0, 1.0]])),
    "Gamma": Gamma.Parameters(np.array([[2.0, 8.0], [9.0, 0.8]]), np.array([[1.0, 3.0], [2.0, 1.0]])),
    "Beta": Beta.Parameters(np.array([[2.0, 0.8], [9.0, 6.0]]), np.array([[6.0, 1.5], [3.0, 9.0]])),
    "VonMises": VonMises.Parameters(np.array([[0.0, 3.0], [2.0, -1.5]]), np.array([[4.0, 1.5], [2.0, 8.0]])),
}
pytestmark = pytest.mark.compiled
each_family = pytest.mark.parametrize("name", TRUTHS)
HARDER = {"degrees": 2.5, "sizes": 2.0}
"""How many times the others' error is allowed to parameters of which data say less."""


def family(name):
    return globals()[name]()


def sampled(name, states, generator):
    """Observations (T, D) of a path of states."""
    return family(name).sample(take(TRUTHS[name], states), generator)


def assert_close(parameters, truth, error):
    """Locations in scales, probabilities by themselves, all others by their logarithms."""
    for field, own, expected in zip(truth._fields, parameters, truth, strict=True):
        limit = error * HARDER.get(field, 1)
        if field in ("locations", "means") and hasattr(truth, "covariances"):
            assert np.abs((own - expected) / np.sqrt(truth.covariances)).max() < limit, field
        elif field == "locations" and hasattr(truth, "scales"):
            assert np.abs((own - expected) / truth.scales).max() < limit, field
        elif field == "locations":
            assert np.abs(np.angle(np.exp(1j * (own - expected)))).max() < limit, field
        elif field == "probabilities":
            assert np.abs(own - expected).max() < limit / 2, field
        else:
            assert np.abs(np.log(own / expected)).max() < limit, field


@each_family
def test_states_recover_their_parameters(name):
    """2,000 observations of two states: to a fifth of a scale or of a logarithm."""
    generator = np.random.default_rng(5)
    paths = [np.cumsum(generator.random(100) < 0.15) % 2 for _ in range(20)]
    X = [sampled(name, path, generator) for path in paths]
    model = HMM(2, family(name), random_state=0, n_init=2, max_iter=200, tol=1e-6).fit(X)
    truth = TRUTHS[name]
    first = np.concatenate(model.decode(X)) == np.concatenate(paths)
    found = model.emission_ if first.mean() > 0.5 else take(model.emission_, [1, 0])
    assert max(first.mean(), 1 - first.mean()) > 0.9
    assert_close(found, truth, 0.2)
    np.testing.assert_allclose(np.diag(model.transition_), 0.85, atol=0.05)


@each_family
def test_an_lstm_learns_the_parameters_of_steps_that_alternate(name):
    """From 1,500 observations, of which each second one is of the same member: to two fifths of a scale."""
    generator = np.random.default_rng(6)
    paths = [(np.arange(25) + n) % 2 for n in range(60)]
    X = [sampled(name, path, generator) for path in paths]
    network = RNN(
        LSTM(6), family(name), optimizer=Adam(0.03), max_epochs=40, batch_size=10, validation_fraction=0,
        random_state=0,
    ).fit(X)  # fmt: skip
    predictive = network.predict_next(X)  # the state after the last one
    after = np.array([1 - path[-1] for path in paths])
    for state in range(2):
        own = map_arrays(lambda array, own=after == state: np.median(array[own, 0], axis=0), predictive.parameters)
        assert_close(own, take(TRUTHS[name], state), 0.4)
    independent = network.marginal_
    baseline = np.mean([family(name).log_density(x, independent).mean() for x in X])
    assert network.score(X) > baseline + 0.1
