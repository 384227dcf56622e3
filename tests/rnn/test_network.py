"""The whole network: against plain equations, and against itself in another order."""

import math

import numpy as np
import pytest
import reference
from scipy.stats import multivariate_normal

from seqmodels import Independent, Sequences
from seqmodels.base import SequenceModel
from seqmodels.emissions import Bernoulli, Categorical, Gaussian, Poisson
from seqmodels.rnn import GRU, LSTM, RNN, Elman

from .cases import CELLS, EMISSIONS, every_case, network_with_random_weights, sequences_for

# -------------------------------------------------------------------- against plain equations


def plain_step(cell):
    if isinstance(cell, Elman):
        functions = {"tanh": math.tanh, "relu": lambda x: max(x, 0.0), "sigmoid": reference.logistic}
        return reference.elman_step(functions[cell.activation])
    if isinstance(cell, LSTM):
        return reference.lstm_step
    return {"after": reference.gru_step_reset_after, "before": reference.gru_step_reset_before}[cell.reset]


def plain_input(emission, X):
    """A function from an observation to its input vector, and the vector of the start."""
    if emission.symbolic:
        n_symbols = len({symbol for x in X for symbol in x} - {None})
        places = {symbol: symbol for symbol in range(n_symbols)} | {None: n_symbols + 1}
        one_hot = np.eye(n_symbols + 3).tolist()
        return lambda symbol: one_hot[places.get(symbol, n_symbols)], one_hot[n_symbols + 2]
    values = np.concatenate(X)
    D = values.shape[1]
    if isinstance(emission, Bernoulli):
        centre, scale = np.zeros(D), np.ones(D)
    else:
        centre, scale = np.nanmean(values, axis=0), np.nanstd(values, axis=0)

    def read(x):
        numbers = [0.0 if math.isnan(x[d]) else (x[d] - centre[d]) / scale[d] for d in range(D)]
        return [*numbers, *(float(math.isnan(x[d])) for d in range(D)), 0.0]

    return read, [0.0] * (2 * D) + [1.0]


def plain_output(emission, marginal):
    if isinstance(emission, Categorical):
        return reference.categorical_output(marginal.probabilities.tolist())
    if isinstance(emission, Bernoulli):
        return reference.bernoulli_output(marginal.probabilities.tolist())
    if isinstance(emission, Poisson):
        return reference.poisson_output(marginal.rates.tolist())
    if emission.covariance in ("full", "tied"):

        def log_density(x, raw):
            means, covariances = emission.from_raw(np.array(raw), marginal)
            seen = ~np.isnan(x)
            if not seen.any():
                return 0.0
            return multivariate_normal(means[seen], covariances[np.ix_(seen, seen)]).logpdf(np.array(x)[seen])

        return log_density
    shared = emission.covariance == "spherical"
    variances = np.broadcast_to(marginal.covariances, marginal.means.shape)
    return reference.gaussian_output(marginal.means.tolist(), variances.tolist(), shared)


@every_case
def test_likelihoods_equal_plain_equations(cell, emission):
    X = sequences_for(emission)
    model = network_with_random_weights(cell, emission, X)
    steps = [plain_step(layer) for layer in (cell if isinstance(cell, list) else [cell])]
    read, start = plain_input(emission, X)
    log_density = plain_output(emission, model.marginal_)
    for x, own in zip(X, model.log_likelihoods(X), strict=True):
        expected = reference.network_terms(list(x), steps, model.weights_, read, start, log_density)
        np.testing.assert_allclose(own, expected, rtol=1e-11, atol=1e-12)


def test_a_missing_observation_costs_nothing_and_is_known_to_be_missing():
    model = network_with_random_weights(GRU(2), Poisson(), [[1.0, np.nan, 2.0, 0.0]])
    seen, missing = model.log_likelihoods([[1.0, 0.0, 2.0], [1.0, np.nan, 2.0]])
    assert missing[1] == 0.0
    assert missing[0] == seen[0]
    assert missing[2] != seen[2]


# -------------------------------------------------------------------- against itself


@pytest.fixture(scope="module", params=["Categorical", "Gaussian diagonal"])
def stacked(request):
    """A stack with random weights, its data and the sequences in its codes."""
    emission = EMISSIONS[request.param]
    X = sequences_for(emission)
    model = network_with_random_weights(CELLS["LSTM above GRU above Elman"], emission, X)
    return model, X, model._known(X)


def loss_and_gradient(model, sequences, which, row_weights=None):
    reading = model._network.weighted(sequences, row_weights)
    return model._network.loss_and_gradient(model._weights, reading, np.asarray(which))


def test_a_ragged_batch_equals_one_sequence_at_a_time(stacked):
    model, X, sequences = stacked
    together = loss_and_gradient(model, sequences, np.arange(4))
    value, mass, gradient = 0.0, 0.0, 0.0
    for n, terms in enumerate(model.log_likelihoods(X)):
        np.testing.assert_allclose(model.log_likelihoods([X[n]])[0], terms, rtol=1e-12, atol=1e-14)
        own_value, own_mass, own_gradient = loss_and_gradient(model, sequences, np.array([n]))
        value, mass, gradient = value + own_value, mass + own_mass, gradient + own_mass * own_gradient
    assert together[0] == pytest.approx(value, rel=1e-12)
    assert together[1] == mass
    np.testing.assert_allclose(together[2], gradient / mass, rtol=1e-9, atol=1e-13)


def test_the_order_of_sequences_does_not_matter(stacked):
    model, X, sequences = stacked
    order = [2, 0, 3, 1]
    terms, shuffled = model.log_likelihoods(X), model.log_likelihoods([X[n] for n in order])
    for own, n in zip(shuffled, order, strict=True):
        np.testing.assert_allclose(own, terms[n], rtol=1e-12, atol=1e-14)
    value, mass, gradient = loss_and_gradient(model, sequences, np.arange(4))
    again = loss_and_gradient(model, sequences, np.array(order))
    assert again[0] == pytest.approx(value, rel=1e-12)
    assert again[1] == mass
    np.testing.assert_allclose(again[2], gradient, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(
        model._network.states_after(model._ready, sequences[np.array(order)]),
        model._network.states_after(model._ready, sequences)[order],
        rtol=1e-12,
    )


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 100])
def test_the_batch_size_of_scoring_does_not_matter(batch_size, stacked):
    model, _, sequences = stacked
    terms = model._network.terms(model._ready, sequences, batch_size)
    np.testing.assert_allclose(terms, model._network.terms(model._ready, sequences), rtol=1e-12, atol=1e-14)


def test_two_of_a_sequence_count_twice(stacked):
    model, _, sequences = stacked
    value, mass, gradient = loss_and_gradient(model, sequences, np.array([0, 0, 2]))
    row_weights = np.repeat([2.0, 9.0, 1.0, 9.0], sequences.lengths)
    weighted = loss_and_gradient(model, sequences, np.array([0, 2]), row_weights)
    assert weighted[0] == pytest.approx(value, rel=1e-12)
    assert weighted[1] == mass
    np.testing.assert_allclose(weighted[2], gradient, rtol=1e-9, atol=1e-13)


def test_states_step_by_step_equal_those_of_whole_sequences(stacked):
    model, _, sequences = stacked
    expected = SequenceModel._beliefs_after(model, sequences)
    np.testing.assert_allclose(model._network.states_after(model._ready, sequences), expected, rtol=1e-12)


def test_weights_are_views_of_one_vector(stacked):
    model, _, _ = stacked
    vector = np.arange(float(model._network.n_weights))
    named = model._network.named(vector)
    assert {key: array.shape for key, array in named.items()} == model._network.shapes
    np.testing.assert_array_equal(np.concatenate([array.ravel() for array in named.values()]), vector)
    named["output", "bias"][:] = -1
    assert (vector == -1).sum() == len(named["output", "bias"])


# -------------------------------------------------------------------- small and empty


@pytest.mark.parametrize("cell", [Elman(1), LSTM(1), GRU(1, "before")], ids=str)
def test_one_unit_one_sequence_one_step(cell):
    model = network_with_random_weights(cell, Gaussian(), [[3.0, 5.0]])
    sequences = model._known([[4.0]])
    value, mass, gradient = loss_and_gradient(model, sequences, np.arange(1))
    assert mass == 1
    assert value == pytest.approx(model.predictive(model.start(1)).log_density([4.0])[0])
    assert np.isfinite(gradient).all()
    named = model._network.named(gradient)
    assert not named[0, "recurrent"].any()  # the state before the first step is zero


@pytest.mark.parametrize("name", ["Categorical", "Bernoulli", "Poisson", "Gaussian diagonal", "Gaussian spherical"])
def test_a_batch_in_which_everything_is_missing_has_no_loss_and_no_gradient(name):
    emission = EMISSIONS[name]
    X = sequences_for(emission)
    model = network_with_random_weights(LSTM(2), emission, X)
    gap = [None, None] if emission.symbolic else np.full((2, X[0].shape[1]), np.nan)
    value, _, gradient = loss_and_gradient(model, model._known([gap]), np.arange(1))
    assert value == 0
    assert not gradient.any()
    np.testing.assert_array_equal(model.log_likelihoods([gap])[0], 0)


# -------------------------------------------------------------------- before the first update


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("emission", EMISSIONS.values(), ids=EMISSIONS.keys())
def test_a_network_starts_as_the_independent_model(emission, dtype):
    X = sequences_for(emission)
    model = RNN(LSTM(2), emission, dtype=dtype, max_epochs=0, validation_fraction=0, random_state=3).fit(X)
    independent = Independent(emission).fit(X)
    for own, expected in zip(model.log_likelihoods(X), independent.log_likelihoods(X), strict=True):
        np.testing.assert_allclose(own, expected, atol=1e-6)
    assert model.history_[0]["epoch"] == 0


def test_outputs_start_at_zero_and_the_rest_does_not():
    model = RNN(GRU(3), max_epochs=0, validation_fraction=0, random_state=0).fit(["abcab", "cab"])
    weights = model.weights_
    assert not weights["weight_out"].any() and not weights["bias_out"].any()
    assert all(weights[name].all() for name in ("weight_ih_l0", "weight_hh_l0", "bias_l0"))


@pytest.mark.filterwarnings("ignore:a variance fell to its floor")
def test_a_constant_column_and_one_never_observed_do_no_harm():
    X = [np.array([[5.0, np.nan, 1.0], [5.0, np.nan, 2.0], [5.0, np.nan, 4.0]])]
    model = network_with_random_weights(LSTM(2), Gaussian(), X)
    _, _, gradient = loss_and_gradient(model, model._known(X), np.arange(1))
    assert np.isfinite(gradient).all()
    assert np.isfinite(model.log_likelihoods([[[5.0, 1.0, 2.0], [7.0, np.nan, 3.0]]])[0]).all()


@pytest.mark.parametrize("cell", [Elman(2, "relu"), LSTM(2)], ids=str)
def test_an_extreme_outlier_does_not_spoil_what_follows(cell):
    X = [[0.0, 1.0, 3.0, 2.0] * 3]
    model = RNN(cell, Gaussian(), max_epochs=1, validation_fraction=0, random_state=0).fit(X)
    terms = model.log_likelihoods([[1.0, 1e18, 2.0, 1.0]])[0]
    assert -1e37 < terms[1] < -1e35
    assert np.isfinite(terms).all()


def test_sequences_may_come_as_one_object():
    X = sequences_for(Poisson())
    model = network_with_random_weights(Elman(2), Poisson(), X)
    np.testing.assert_array_equal(model.log_likelihood(Sequences.wrap(X)), model.log_likelihood(X))


def test_windows_of_any_size_give_the_same_terms_and_states(rng):
    X = [rng.normal(size=(length, 2)) for length in (7, 2, 5, 5, 1)]
    model = network_with_random_weights([LSTM(3), GRU(2)], Gaussian(), X)
    X, network, ready = Sequences.wrap(X), model._network, model._ready
    terms, states = network.terms(ready, X), network.states_after(ready, X)
    for n_rows in (1, 3, 4, 11, 1000):
        np.testing.assert_allclose(network.terms(ready, X, 3, n_rows), terms, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(network.states_after(ready, X, 3, n_rows), states, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("emission", [Categorical(), Gaussian()], ids=["symbols", "numbers"])
def test_the_layout_of_the_data_in_memory_does_not_matter(emission):
    X = [np.asarray(x) for x in sequences_for(emission)]
    model = network_with_random_weights(LSTM(3), emission, X)
    expected = model.log_likelihoods(X)
    backwards, wide = [x[::-1].copy()[::-1] for x in X], [np.stack([x, x], axis=1)[:, 0] for x in X]
    for form in (backwards, wide, Sequences.wrap(wide)):
        for terms, others in zip(expected, model.log_likelihoods(form), strict=True):
            np.testing.assert_array_equal(terms, others)
