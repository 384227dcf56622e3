"""Truncated backpropagation: each window's gradient takes the state before it as given, and the state is carried on."""

import numpy as np
import pytest

from seqmodels import Sequences
from seqmodels.emissions import Categorical, Gaussian, Poisson
from seqmodels.rnn import GRU, LSTM, RNN, SGD, Adam, Elman
from seqmodels.rnn.packing import Arena
from seqmodels.rnn.truncation import cut

from .cases import CELLS, network_with_random_weights, sequences_for
from .test_batches import assert_same_bits, ragged_numbers, ragged_symbols
from .test_gradients import assert_same_gradient, central_differences

# -------------------------------------------------------------------- windows


@pytest.mark.parametrize("n_steps", [1, 2, 3, 5, 9])
def test_windows_lie_one_after_the_other_and_never_across_two_sequences(n_steps):
    lengths = np.array([5, 1, 3, 10, 2])
    starts = np.cumsum([0, *lengths])
    offsets, firsts = cut(starts, n_steps)
    assert len(firsts) == 6 and firsts[-1] == len(offsets) - 1
    np.testing.assert_array_equal(offsets[firsts], starts)
    for n, length in enumerate(lengths):
        own = np.diff(offsets[firsts[n] : firsts[n + 1] + 1])
        assert own.tolist() == [n_steps] * (length // n_steps) + [length % n_steps] * int(length % n_steps > 0)


def test_without_truncation_nothing_is_cut():
    offsets, firsts = cut(np.array([0, 3, 4]))
    assert offsets.tolist() == [0, 3, 4] and firsts.tolist() == [0, 1, 2]


# -------------------------------------------------------------------- each window against central differences


def terms_and_states(network, vector, sequences, state, windows):
    """Terms (M,) within windows [start, stop), NaN elsewhere, and states after them, by single steps from `state`."""
    ready, encoded = network.ready(vector), network.read(sequences).encoded
    terms, state = np.full(sequences.n_observations, np.nan), state.copy()
    for t in range(max(stop - start for start, stop in windows)):
        running = [n for n, (start, stop) in enumerate(windows) if start + t < stop]
        rows = [windows[n][0] + t for n in running]
        state[running] = network._advance(state[running], encoded[rows], ready)
        raw = network._raw(network.stack.split_state(state[running])[-2], ready)
        values = sequences.values[rows]
        terms[rows] = network.family.value_and_gradient(values, raw, network.marginal, np.empty_like(raw))
    return terms, state


TRUNCATED = [
    (LSTM(2), Categorical(), 2, False),
    (CELLS["LSTM above GRU above Elman"], Categorical(), 2, True),
    (CELLS["GRU before above LSTM"], Gaussian(), 2, False),
    (Elman(3), Poisson(), 1, True),
    (GRU(2), Gaussian("tied"), 3, False),
]


@pytest.mark.parametrize(("cell", "emission", "k", "weighted"), TRUNCATED, ids=str)
def test_gradients_of_windows_equal_central_differences(cell, emission, k, weighted):
    """Also where weights have changed since the state was carried on; row weights and gaps included.

    Symbols may be missing from a window, and recurrent weights act from its second step: they have no gradient then.
    """
    X = sequences_for(emission)  # of lengths 5, 1, 3, 2
    model, generator = network_with_random_weights(cell, emission, X), np.random.default_rng(4)
    network, sequences, vector = model._network, model._known(X), model._weights
    row_weights = generator.uniform(0.5, 2, sequences.n_observations) if weighted else None
    counted = sequences.scored * (1.0 if row_weights is None else row_weights)
    batch, order = network.weighted(sequences, row_weights, k), [0, 2, 3, 1]
    state = np.zeros((4, network.stack.n_state))
    for number, window in enumerate(network.windows(batch, np.array([3, 0, 1, 2]))):
        bounds = [(sequences.offsets[n] + number * k, sequences.offsets[n + 1]) for n in order]
        bounds = [(start, min(start + k, stop)) for start, stop in bounds if start < stop]
        state, n = state[: len(bounds)], len(bounds)
        value, mass, gradient = network.loss_and_gradient(vector, batch, window.which, state=window.state)
        terms, after = terms_and_states(network, vector, sequences, state, bounds)
        rows = np.flatnonzero(np.isfinite(terms))
        assert value == pytest.approx(counted[rows] @ terms[rows], rel=1e-12)
        assert mass == pytest.approx(counted[rows].sum(), rel=1e-14)
        assert window.done == (number + 1) * k / (5 + -5 % k) and len(window.state) == n
        np.testing.assert_allclose(window.state, after, rtol=1e-12, atol=1e-14)
        if counted[rows].any():
            share = -counted[rows] / counted[rows].sum()

            def loss(shifted, share=share, rows=rows, state=state, bounds=bounds):
                return share * terms_and_states(network, shifted, sequences, state, bounds)[0][rows]

            expected = central_differences(loss, vector.copy())
            assert_same_gradient(network, gradient, expected, every_array_has_one=False)
        else:
            assert not gradient.any()
        state = after
        vector += generator.normal(scale=0.05, size=len(vector)) * (vector != 0)
    assert number == -(-5 // k) - 1


@pytest.mark.parametrize(("cell", "emission"), [(LSTM(3), Categorical()), (GRU(2), Gaussian())], ids=str)
@pytest.mark.parametrize("k", [5, 6, 100])
def test_windows_as_long_as_the_sequences_change_no_bit(k, cell, emission, rng):
    X = sequences_for(emission)
    model = network_with_random_weights(cell, emission, X)
    network, sequences = model._network, model._known(X).given_past([1, 0, 2, 0])
    row_weights = rng.uniform(0, 2, sequences.n_observations)
    whole, which = network.weighted(sequences, row_weights), np.array([2, 1, 3, 0])
    expected = network.loss_and_gradient(model._weights, whole, which)
    batch = network.weighted(sequences, row_weights, k)
    (window,) = network.windows(batch, which)
    own = network.loss_and_gradient(model._weights, batch, window.which, state=window.state)
    assert own[:2] == expected[:2]
    np.testing.assert_array_equal(own[2], expected[2])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("X", [[[None, None, 1, 0]], [[None, None], [1, 0]]], ids=["window", "sequence"])
def test_where_nothing_is_observed_nothing_is_learnt(X, dtype):
    model = RNN(LSTM(2), dtype=dtype, max_epochs=0, validation_fraction=0, random_state=0).fit([*X, [1, 0]])
    network = model._network
    batch = network.weighted(model._known(X), None, 2)
    value, mass, gradient = network.loss_and_gradient(model._weights, batch, np.array([0]))
    assert (value, mass) == (0, 0)
    assert not gradient.any()


@pytest.mark.parametrize("emission", [Categorical(), Gaussian()], ids=str)
def test_every_window_has_the_context_of_its_sequence(emission, rng):
    X, context = sequences_for(emission), rng.normal(size=(4, 2))
    model = network_with_random_weights(LSTM(2), emission, X, context)
    network, sequences, vector = model._network, model._known(X, context=context), model._weights
    batch, which = network.weighted(sequences, None, 2), np.array([2, 1, 3, 0])
    values = [network.loss_and_gradient(vector, batch, each.which, state=each.state)[0]
              for each in network.windows(batch, which)]  # fmt: skip
    assert sum(values) == pytest.approx(model.log_likelihood(sequences).sum(), rel=1e-12)

    expected = network.loss_and_gradient(vector, network.weighted(sequences), which)
    batch = network.weighted(sequences, None, 5)
    (window,) = network.windows(batch, which)
    own = network.loss_and_gradient(vector, batch, window.which, state=window.state)
    assert own[:2] == expected[:2]
    np.testing.assert_array_equal(own[2], expected[2])


# -------------------------------------------------------------------- fitting


def fitted(cell, X, truncation, **options):
    options = {"max_epochs": 2, "batch_size": 40, "validation_fraction": 0, "random_state": 0} | options
    return RNN(cell, truncation=truncation, optimizer=Adam(0.01), **options).fit(X)


@pytest.mark.usefixtures("always_shared_out")
@pytest.mark.parametrize("make", [ragged_symbols, ragged_numbers], ids=["symbols", "numbers"])
@pytest.mark.parametrize("cell", [LSTM(17), [GRU(2, "before"), LSTM(3)]], ids=str)
def test_any_number_of_jobs_gives_the_same_bits(cell, make):
    X = make(50, longest=7)
    expected = fitted(cell, X, 3, n_jobs=1)
    assert not np.array_equal(fitted(cell, X, None)._weights, expected._weights)
    assert_same_bits(fitted(cell, X, 3, n_jobs=2), expected, X)


def test_a_fit_with_windows_as_long_as_the_sequences_is_the_same_fit():
    X = ragged_symbols(20)
    assert_same_bits(fitted(LSTM(3), X, 4), fitted(LSTM(3), X, None), X)


@pytest.mark.parametrize("X", [[[0, 1, 1, 2, 0, 2, 1] * 3], ragged_numbers(9)], ids=["one long series", "a batch"])
def test_the_loss_is_that_of_whole_sequences_wherever_they_are_cut(X):
    """A learning rate of next to nothing leaves the model as it was: states are carried on exactly."""
    for k in (1, 2, 4):
        model = network_with_random_weights(GRU(3), None, X, random_state=0)
        expected = model.score(X)
        model.set_params(warm_start=True, truncation=k, optimizer=SGD(1e-300), max_epochs=1).fit(X)
        assert model.history_[1]["train"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("k", "n_updates"), [(1, 21), (4, 6), (21, 1), (50, 1), (None, 1)])
def test_one_series_takes_an_update_for_each_window(k, n_updates):
    class Counting(SGD):
        n_updates = 0

        def update(self, weights, gradient, state):
            Counting.n_updates += 1
            super().update(weights, gradient, state)

    RNN(Elman(2), truncation=k, optimizer=Counting(), max_epochs=1, validation_fraction=0).fit([[0, 1, 2] * 7])
    assert Counting.n_updates == n_updates


def test_memory_is_that_of_a_window():
    """However long the series."""
    X = [np.arange(1000) % 3]
    model = network_with_random_weights(Elman(2), Categorical(), X)
    network, arena = model._network, Arena()
    batch = network.weighted(Sequences.wrap(X).encoded(), None, 10)
    for window in network.windows(batch, np.array([0])):
        network.loss_and_gradient(model._weights, batch, window.which, arena, state=window.state)
    (room,) = arena._rooms[1]
    assert room._size == (1, 10, 10, 10)
