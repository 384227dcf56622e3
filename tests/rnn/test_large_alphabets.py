"""Alphabets of any size, in the output layer and in the input layer."""

import numpy as np
import pytest

from seqmodels.emissions import Categorical, CategoricalParameters
from seqmodels.emissions.categorical import BLOCK, LANES
from seqmodels.forms import MISSING
from seqmodels.rnn import GRU, LSTM, RNN, Elman
from seqmodels.rnn import network as module

from .cases import EMISSIONS, network_with_random_weights, sequences_for
from .test_gradients import assert_gradient_is_right_along_a_direction

SIZES = [1, 2, LANES - 1, LANES, LANES + 1, 33, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + LANES + 6, 2 * BLOCK + 1]

# -------------------------------------------------------------------- softmax


def plain(codes, raw, probabilities):
    """Log probabilities and their gradients, in double precision."""
    logits = raw.astype(float) + np.log(probabilities)
    highest = logits.max(axis=1, keepdims=True)
    log_p = logits - highest - np.log(np.exp(logits - highest).sum(axis=1, keepdims=True))
    values, gradient = np.zeros(len(codes)), np.zeros_like(logits)
    for i, code in enumerate(codes):
        if code >= 0:
            values[i] = log_p[i, code]
            gradient[i] = -np.exp(log_p[i])
            gradient[i, code] += 1
    return values, gradient


def outputs(V, dtype, rng, scale=3.0):
    """Codes of a missing symbol, of the first, of the last and of others, with raw outputs and a marginal."""
    codes = np.array([0, MISSING, V - 1, *rng.integers(V, size=3), 0])
    raw = rng.normal(size=(len(codes), V), scale=scale).astype(dtype)
    return codes, raw, CategoricalParameters(rng.dirichlet(np.full(V, 2.0)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("V", SIZES)
def test_softmax_over_any_number_of_symbols(V, dtype, rng):
    codes, raw, marginal = outputs(V, dtype, rng)
    out = np.full_like(raw, np.nan)
    values = Categorical().value_and_gradient(codes[:, None], raw, marginal, out)
    expected, gradient = plain(codes, raw, marginal.probabilities)
    assert values.dtype == float and out.dtype == dtype
    unit = np.finfo(dtype).eps
    np.testing.assert_allclose(values, expected, rtol=0, atol=60 * unit)  # logits are up to 20
    np.testing.assert_allclose(out, gradient, rtol=60 * unit, atol=8 * unit)  # 1 - p where the symbol is likely
    np.testing.assert_allclose(out.sum(axis=1), 0, atol=60 * unit)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("place", [0, LANES, BLOCK - 1, BLOCK, BLOCK + LANES])
def test_the_highest_logit_is_found_wherever_it_stands(place, dtype):
    V = BLOCK + LANES + 1
    marginal = CategoricalParameters(np.full(V, 1 / V))
    raw = np.full((1, V), -600.0, dtype)
    raw[0, place] = 600.0
    out = np.empty_like(raw)
    assert Categorical().value_and_gradient(np.array([[place]]), raw, marginal, out)[0] == 0
    assert np.abs(out).max() < 1e-37
    other = (place + 1) % V
    assert Categorical().value_and_gradient(np.array([[other]]), raw, marginal, out)[0] == -1200
    np.testing.assert_allclose(out[0, [place, other]], [-1, 1])
    assert np.abs(np.delete(out[0], [place, other])).max() < 1e-37


@pytest.mark.filterwarnings("ignore:invalid value")  # says numpy, where nothing is compiled
@pytest.mark.parametrize("V", [3, BLOCK + 1])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_raw_output_that_is_no_number_is_not_hidden(V, dtype, rng):
    codes, raw, marginal = outputs(V, dtype, rng)
    expected = Categorical().value_and_gradient(codes[:, None], raw, marginal, np.empty_like(raw))
    for place in (0, V // 2, V - 1):
        spoilt, out = raw.copy(), np.empty_like(raw)
        spoilt[3, place] = np.nan
        values = Categorical().value_and_gradient(codes[:, None], spoilt, marginal, out)
        assert np.isnan(values[3]) and np.isnan(out[3]).any()
        rest = np.arange(len(codes)) != 3
        np.testing.assert_array_equal(values[rest], expected[rest])  # the row before leaves nothing behind
        assert np.isfinite(out[rest]).all()


def test_many_symbols_do_not_lose_the_small_shares():
    """In single precision, a sum of 200 000 equal odds, one by one, would stop growing in the last digits."""
    V = 200_000
    marginal = CategoricalParameters(np.full(V, 1 / V))
    raw = np.zeros((1, V), np.float32)
    out = np.empty_like(raw)
    value = Categorical().value_and_gradient(np.array([[7]]), raw, marginal, out)
    assert value[0] == pytest.approx(-np.log(V), rel=1e-6)
    np.testing.assert_allclose(np.delete(out[0], 7), -1 / V, rtol=1e-6)


# -------------------------------------------------------------------- whole networks


@pytest.mark.parametrize("cell", [Elman(3), GRU(17, "before"), LSTM(2, bias=False)], ids=str)
def test_gradients_of_an_alphabet_larger_than_the_batch(cell, rng):
    """Only the rows of the symbols that occur are read, and only they have gradients."""
    V = 60
    X = [rng.permutation(V).tolist(), [5, 4, 4, None, 5, 77], [3]]
    model = network_with_random_weights(cell, Categorical(), X[:1])
    network, which = model._network, np.array([2, 1])
    reading, weights = network.weighted(model._known(X)), 0.5 * model._weights
    _, _, gradient = network.loss_and_gradient(weights, reading, which)
    _, _, of_all = network.loss_and_gradient(weights, reading, np.arange(3))  # more rows than symbols
    read = [V + 2, 5, 4, V + 1]  # the start, the symbols but the last, and the missing one
    np.testing.assert_array_equal(np.flatnonzero(network.named(gradient)[0, "input"].any(axis=1)), sorted(read))
    assert network.named(of_all)[0, "input"][:V].any(axis=1).sum() >= V - 1
    assert_gradient_is_right_along_a_direction(model, X, rng, which)


@pytest.mark.parametrize("emission", EMISSIONS.values(), ids=EMISSIONS.keys())
def test_the_output_layer_in_parts_equals_the_whole(emission, monkeypatch):
    """Parts of eight rows, and a remainder; with gaps, and where observations count differently."""
    X = sequences_for(emission) * 3
    found = []
    for n_outputs in (module.N_OUTPUTS, 1):
        monkeypatch.setattr(module, "N_OUTPUTS", n_outputs)
        model = network_with_random_weights(GRU(3), emission, X)
        network, sequences = model._network, model._known(X)
        row_weights = np.random.default_rng(4).uniform(0, 2, sequences.n_observations)
        found.append([network.terms(model._ready, sequences)])
        for reading in (network.weighted(sequences), network.weighted(sequences, row_weights)):
            value, mass, gradient = network.loss_and_gradient(model._weights, reading, np.arange(len(X)))
            found[-1] += [value, mass, gradient]
    for whole, in_parts in zip(*found, strict=True):
        np.testing.assert_allclose(in_parts, whole, rtol=1e-10, atol=1e-13)


@pytest.mark.compiled
def test_a_network_over_an_alphabet_that_crosses_a_block_learns(rng):
    V = BLOCK + 6
    X = [np.arange(start, start + 20).tolist() for start in range(0, V - 20, 10)]
    model = RNN(Elman(2), max_epochs=1, validation_fraction=0, random_state=0).fit(X)
    assert model.weights_["weight_out"].shape == (len(model.alphabet_) + 1, 2)
    before, after = model.history_[1]["train"], model.score(X)
    assert after > before
    np.testing.assert_allclose(model.predict_next(X[:2]).probabilities().sum(axis=1), 1, rtol=1e-6)
