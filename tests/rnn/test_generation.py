"""Symbols drawn in one kernel equal those drawn step by step, with the same random numbers."""

import itertools

import numpy as np
import pytest

from seqmodels.base import SequenceModel
from seqmodels.emissions import Categorical, Poisson
from seqmodels.predictive import reshaped
from seqmodels.rnn import GRU, LSTM, RNN, Elman

from .cases import network_with_random_weights

CELLS = [Elman(3, "sigmoid"), Elman(17, "relu"), LSTM(2), GRU(16), GRU(3, "before", bias=False)]

each_cell = pytest.mark.parametrize("cell", CELLS, ids=str)


def drawn(model, n, length, temperature, how, prefix=None):
    """Codes (n, length), by one way of drawing them."""
    belief = model._start_sampling(n, length, prefix)
    return how(model, belief, length, np.random.default_rng(11), temperature, None, None)


def assert_both_ways_equal(model, *arguments):
    fast, slow = (drawn(model, *arguments[:3], how, *arguments[3:]) for how in (RNN._draw, SequenceModel._draw))
    assert fast.dtype == slow.dtype and fast.shape == slow.shape
    np.testing.assert_array_equal(fast, slow)
    return fast


def network(cell, n_symbols=7):
    X = [np.random.default_rng(3).permutation(n_symbols).tolist() * 2, [0, None, 0]]
    return network_with_random_weights(cell, Categorical(), X)


@pytest.mark.parametrize("temperature", [1, 1.0, 0.5, 3.0])
@pytest.mark.parametrize("n", [1, 3, 9])
@each_cell
def test_symbols_are_those_of_the_generic_way(cell, n, temperature):
    codes = assert_both_ways_equal(network(cell), n, 25, temperature)
    assert len(np.unique(codes)) > 1


@each_cell
def test_a_prefix_is_read_first(cell):
    model = network(cell)
    with_prefix = assert_both_ways_equal(model, 20, 8, 1.0, [3, 1, 4, None, 1])
    assert not np.array_equal(with_prefix, drawn(model, 20, 8, 1.0, RNN._draw))


@pytest.mark.parametrize("n_symbols", [1, 2, 6, 7, 8, 15, 40])
def test_alphabets_of_any_size(n_symbols):
    """With the unknown symbol, one more than the symbols."""
    codes = assert_both_ways_equal(network(GRU(3), n_symbols), 5, 20, 1.0)
    assert 0 <= codes.min() and codes.max() <= n_symbols


def test_a_stack_draws_in_the_generic_way():
    model = network([GRU(2), LSTM(3)])
    codes = drawn(model, 2, 5, 1.0, RNN._draw)
    np.testing.assert_array_equal(codes, drawn(model, 2, 5, 1.0, SequenceModel._draw))


def test_no_symbol_is_drawn_that_has_no_probability():
    """Also where the random number is next to 0, or as high as it can be."""
    model = network(Elman(2))
    model._weights = np.zeros_like(model._weights)
    bias = model._network.named(model._weights)["output", "bias"]
    bias[[0, 3, -1]] = -2000.0  # the odds are zero
    uniforms = np.array([[2**-53, 0.5, 1 - 2**-53]]).repeat(4, axis=0)
    codes = model._network.generate(model._ready, model.start(3), uniforms, 1.0)
    assert set(codes[:, 0]) == {1}
    assert set(codes[:, 2]) == {len(bias) - 2}
    assert not np.isin(codes, [0, 3, len(bias) - 1]).any()


@pytest.mark.parametrize("place", [0, 7, 8, 12])
def test_the_most_probable_symbol_is_found_wherever_it_stands(place):
    model = network(GRU(3), 12)
    model._weights = model._weights.copy()
    bias = model._network.named(model._weights)["output", "bias"]
    bias[[place, (place + 3) % 13]] = 2000.0, 1000.0  # both odds would overflow
    assert (drawn(model, 2, 5, 1.0, RNN._draw) == place).all()


def test_symbols_come_as_often_as_they_should():
    model = network(GRU(2), 4)
    expected = model.predictive(model.start(1)).probabilities()[0]
    codes = drawn(model, 4000, 1, 1.0, RNN._draw)[:, 0, 0]
    shares = np.bincount(codes, minlength=len(expected)) / len(codes)
    np.testing.assert_allclose(shares, expected, atol=5 * np.sqrt(0.25 / len(codes)))


@each_cell
def test_the_belief_that_symbols_are_drawn_from_is_left_as_it_is(cell):
    model = network(cell)
    belief = model.start(2)
    before = belief.copy()
    model._draw(belief, 5, np.random.default_rng(0), 1.0, None, None)
    np.testing.assert_array_equal(belief, before)


# -------------------------------------------------------------------- against enumeration


PAST = [2, 0, None, 1]


def without_the_unknown(cell):
    X = [np.random.default_rng(3).permutation(3).tolist() * 2, [0, None, 2]]
    return network_with_random_weights(cell, Categorical(unknown="error"), X, seed=5)


@pytest.mark.parametrize("cell", [GRU(3), [Elman(2), LSTM(2)]], ids=str)
def test_a_beam_as_wide_as_all_continuations_finds_the_best_one(cell):
    model = without_the_unknown(cell)
    paths = list(itertools.product(range(3), repeat=4))
    values = model.log_likelihood([[*PAST, *path] for path in paths])
    for width in (3**4, 3**3, 1000):  # the last step needs no more than the beams before it
        assert tuple(model.predict([PAST], n_steps=4, beam_width=width)[0]) == paths[np.argmax(values)]
    greedy, sequence = model.predict([PAST], n_steps=4, beam_width=1)[0], list(PAST)
    for symbol in greedy:
        assert symbol == model.predict_next([sequence]).mode()[0]
        sequence.append(int(symbol))


def test_a_beam_is_for_symbols_and_of_a_whole_number():
    model = without_the_unknown(GRU(3))
    for width in (0, 2.5):
        with pytest.raises(ValueError, match=f"beam_width is {width}; integers from 1 are accepted"):
            model.predict([PAST], beam_width=width)
    counts = network_with_random_weights(GRU(2), Poisson(), [[1.0, 2.0, 0.0]])
    with pytest.raises(ValueError, match=r"beam_width is 2, and Poisson\(\) has no symbols; None is accepted"):
        counts.predict([[1.0]], beam_width=2)


@pytest.mark.parametrize(
    "options", [{"temperature": 0.5}, {"top_k": 2}, {"top_p": 0.8}, {"temperature": 2, "top_k": 2}], ids=str
)
def test_samples_of_two_steps_have_the_probabilities_of_all_pairs(options):
    """The reshaped distribution of the first symbol, times that of the second one given it."""
    model, n = without_the_unknown(GRU(3)), 6000
    first = reshaped(model.predict_next([PAST]).probabilities(), **options)[0]
    second = reshaped(model.predict_next([[*PAST, symbol] for symbol in range(3)]).probabilities(), **options)
    pairs = np.array(model.sample(n, 2, prefix=PAST, random_state=1, **options))
    shares = np.bincount(pairs[:, 0] * 3 + pairs[:, 1], minlength=9).reshape(3, 3) / n
    expected = first[:, None] * second
    assert (shares[expected == 0] == 0).all()
    np.testing.assert_allclose(shares, expected, atol=5 * np.sqrt(0.25 / n))
