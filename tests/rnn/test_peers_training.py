"""What users of other recurrent libraries complain about, as far as data, training and likelihoods are concerned.

Wishes bear the numbers of the project's list.
"""

import numpy as np
import pytest

from seqmodels import Independent, Sequences
from seqmodels.emissions import Categorical, Gaussian, Multinomial, NegativeBinomial, Poisson, ZeroInflated
from seqmodels.rnn import GRU, LSTM, RNN, SGD, Adam, Elman
from seqmodels.rnn.packing import Arena

from .cases import CELLS, LENGTHS, network_with_random_weights, sequences_for
from .test_batches import assert_same_bits, ragged_numbers, ragged_symbols

STACK = CELLS["LSTM above GRU above Elman"]


# -------------------------------------------------------------------- 7: variable lengths


@pytest.mark.parametrize("emission", [Categorical(), Gaussian()], ids=str)
def test_wish_07_sequences_of_any_length_in_any_order(emission):
    """Nobody has to sort; a sequence of one observation is one (pytorch #8026, #11514)."""
    X = sequences_for(emission)
    assert 1 in LENGTHS and list(LENGTHS) != sorted(LENGTHS, reverse=True)
    model = network_with_random_weights(STACK, emission, X)
    together, states = model.log_likelihoods(X), model._beliefs_after(model._known(X))
    for order in ([3, 1, 0, 2], [1], [1, 1, 3]):
        own = [X[n] for n in order]
        for terms, n in zip(model.log_likelihoods(own), order, strict=True):
            np.testing.assert_allclose(terms, together[n], rtol=1e-12, atol=1e-14)
            assert len(terms) == LENGTHS[n]
        np.testing.assert_allclose(model._beliefs_after(model._known(own)), states[order], rtol=1e-12, atol=1e-14)


def test_wish_07_a_sequence_without_observations_is_named():
    for X in ([[0, 1], []], [[], [0, 1]]):
        with pytest.raises(ValueError, match=r"X\[.\] is empty; every sequence needs at least one observation"):
            RNN(Elman(2)).fit(X)


def test_wish_07_sequences_of_one_observation_can_be_learnt_from():
    X = [[0], [1], [1], [1, 0], [1]] * 3
    model = RNN(Elman(2), optimizer=Adam(0.05), max_epochs=20, validation_fraction=0, dtype="float64", random_state=0)
    assert model.fit(X).score(X) > Independent().fit(X).score(X)


# -------------------------------------------------------------------- 8: masks


@pytest.mark.parametrize("emission", [Categorical(), Gaussian()], ids=str)
def test_wish_08_nothing_after_the_end_changes_a_sequence(emission):
    """States, likelihoods and gradients are those of the sequences alone (keras #4192, #7695)."""
    X = sequences_for(emission)
    model = network_with_random_weights(STACK, emission, X)
    gaps = [None] * 6 if emission.symbolic else np.full((6, 2), np.nan)
    padded = [list(x) + gaps if emission.symbolic else np.concatenate([x, gaps]) for x in X]
    np.testing.assert_array_equal(model.log_likelihood(padded), model.log_likelihood(X))
    found = []
    for data in (X, padded):
        weighted = model._network.weighted(model._known(data))
        value, mass, gradient = model._network.loss_and_gradient(model._weights, weighted, np.arange(4))
        found.append((value, mass, gradient.copy()))
    assert found[1][:2] == pytest.approx(found[0][:2], rel=1e-13)
    np.testing.assert_allclose(found[1][2], found[0][2], rtol=1e-10, atol=1e-15)


def test_wish_08_a_batch_may_hold_sequences_that_are_missing_altogether():
    """Rows of padding alone crashed (tensorflow #36139); they cost nothing, and change nothing for the others."""
    X = ragged_symbols(6)
    gone = [*X[:3], [None] * 4, *X[3:], [None]]
    options = {"optimizer": SGD(0.1), "batch_size": 8, "max_epochs": 2, "validation_fraction": 0, "random_state": 0}
    model, expected = (RNN(LSTM(3), dtype="float64", **options).fit(data) for data in (gone, X))
    np.testing.assert_allclose(model._weights, expected._weights, rtol=1e-10, atol=1e-14)
    terms = model.log_likelihood(gone)
    assert terms[3] == terms[-1] == 0
    np.testing.assert_allclose(np.delete(terms, [3, 7]), expected.log_likelihood(X), rtol=1e-10)


def test_wish_08_a_gap_is_read_as_a_gap():
    """Time passes in it: the state is neither held nor that of any value, and the network knows how long it was."""
    model = network_with_random_weights(GRU(3), Poisson(), [[1.0, np.nan, 2.0, 0.0, 4.0]])
    pasts = [[3.0], [3.0, np.nan], [3.0, np.nan, np.nan], [3.0, 0.0], [3.0, 2.0]]
    means = model.predict_next(pasts).mean()
    assert len(np.unique(np.round(means, 12))) == len(pasts)
    stream = model.stream()
    for x in (3.0, np.nan, np.nan):
        stream.update(x)
    np.testing.assert_allclose(stream.predictive.mean(), means[2], rtol=1e-12)


# -------------------------------------------------------------------- 9: states that are carried on


@pytest.mark.parametrize("emission", [Categorical(), Gaussian()], ids=str)
def test_wish_09_trained_in_batches_and_used_one_observation_at_a_time(emission):
    """The same weights for any number of sequences, with states that go on (keras #2322, #3073, #14155)."""
    X = ragged_symbols(9) if emission.symbolic else ragged_numbers(9)
    model = RNN([GRU(2, "before"), LSTM(3)], emission, batch_size=4, max_epochs=2, random_state=0).fit(X)
    for x, terms in zip(X, model.log_likelihoods(X), strict=True):
        stream = model.stream()
        np.testing.assert_allclose([stream.update(value) for value in x], terms, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("cut", [1, 3, 7])
def test_wish_09_a_sequence_in_two_parts_is_the_sequence(cut):
    """Belief after the first part, and the second one from there."""
    x = [0, 1, 2, None, 1, 0, 2, 2, 1]
    model = network_with_random_weights(STACK, Categorical(), [x])
    terms, network, ready = model.log_likelihoods([x])[0], model._network, model._ready
    belief, sequences = model._beliefs_after(model._known([x[:cut]])), model._known([x])
    for code, term in zip(sequences.values[cut:], terms[cut:], strict=True):
        own = model.predictive(belief).log_density_of(code[None])[0] if code[0] >= 0 else 0.0
        assert own == pytest.approx(term, rel=1e-10)
        belief = network.next_state(ready, belief, code[None])
    scored = model.log_likelihood(sequences.given_past(cut))
    np.testing.assert_allclose(scored, [terms[cut:].sum()], rtol=1e-12)


# -------------------------------------------------------------------- 10: truncated backpropagation


def test_wish_10_one_long_series_is_learnt_from_window_by_window():
    """Which lightning 2 removed (#19985): an update a window, and no state lost between them.

    The state after all windows, under weights that do not change, is that after the whole series to the last bit.
    """
    x = np.random.default_rng(0).integers(3, size=200).tolist()
    model = network_with_random_weights([GRU(2, "before"), LSTM(3)], Categorical(), [x])
    network, sequences, arena = model._network, model._known([x]), Arena()
    weighted, states, lengths = network.weighted(sequences, None, 7), [], []
    for window in network.windows(weighted, np.array([0])):
        network.loss_and_gradient(model._weights, weighted, window.which, arena, state=window.state)
        states.append(window.state.copy())
        lengths.append(np.diff(weighted.reading.offsets)[window.which[0]])
    assert lengths == [7] * 28 + [4]
    whole = network.weighted(sequences, None, 1000)
    (window,) = network.windows(whole, np.array([0]))
    network.loss_and_gradient(model._weights, whole, window.which, arena, state=window.state)
    np.testing.assert_array_equal(states[-1], window.state)


@pytest.mark.compiled
def test_wish_10_what_is_carried_on_is_of_use():
    """Of eight symbols in turn no three tell the next, and the first of each window of four has none before it."""
    x = [0, 1, 1, 0, 1, 0, 0, 1]
    x = x * 100
    options = {"optimizer": Adam(0.01), "max_epochs": 30, "validation_fraction": 0, "random_state": 0}
    model = RNN(GRU(12), truncation=4, **options).fit([x])
    assert model.score([x]) > -0.1
    assert Independent().fit([x]).score([x]) == pytest.approx(-np.log(2), abs=0.01)


# -------------------------------------------------------------------- 11: determinism


@pytest.mark.usefixtures("always_shared_out")
@pytest.mark.parametrize(
    "options", [{}, {"truncation": 2}, {"dropout": 0.3, "recurrent_dropout": 0.3, "truncation": 2}], ids=str
)
def test_wish_11_a_seed_decides_every_bit(options):
    """Of weights, records, likelihoods and samples, in any number of threads (pytorch #35661, #104697)."""
    X = ragged_symbols(40)

    def fit(n_jobs, seed=0):
        return RNN([GRU(2, "before"), LSTM(3)], max_epochs=2, n_jobs=n_jobs, dtype="float64", random_state=seed,
                   **options).fit(X)  # fmt: skip

    expected = fit(1)
    for n_jobs in (2, -1):
        assert_same_bits(fit(n_jobs), expected, X)
    assert not np.array_equal(fit(1, seed=1)._weights, expected._weights)
    for first, again in zip(expected.sample(3, 9, random_state=4), fit(2).sample(3, 9, random_state=4), strict=True):
        np.testing.assert_array_equal(first, again)


# -------------------------------------------------------------------- 14: wild likelihoods of counts


COUNTS = {"Poisson": Poisson(), "NegativeBinomial": NegativeBinomial(), "ZeroInflated": ZeroInflated(Poisson())}


def wild_counts(rng):
    """Mostly zeros, and now and then a count of millions."""
    X = [np.where(rng.random((12, 2)) < 0.8, 0, rng.integers(1, 4, (12, 2))) * 1.0 for _ in range(12)]
    for x in X[::3]:
        x[rng.integers(12), 0] = rng.integers(10**5, 10**7)
    X[1][3], X[4][:, 1] = np.nan, np.nan
    return X


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("emission", COUNTS.values(), ids=COUNTS.keys())
def test_wish_14_counts_never_have_wild_likelihoods(emission, dtype, rng):
    """Neither NaN nor a probability above one, in training and on counts never seen (gluonts #833, #1796)."""
    X = wild_counts(rng)
    model = RNN(GRU(3), emission, optimizer=Adam(0.05), max_epochs=4, dtype=dtype, random_state=0).fit(X)
    for record in model.history_:
        assert all(value is None or np.isfinite(value) for value in record.values())
    unseen = [[[0.0, 0.0]] * 3, [[1e9, 0.0], [0.0, 1e9]], [[np.nan, 1e6], [3.0, np.nan]]]
    for data in (X, unseen):
        terms = np.concatenate(model.log_likelihoods(data))
        assert np.isfinite(terms).all()
        assert terms.max() <= 0  # a probability
    assert np.isfinite(model.predict_next(unseen).mean()).all()


def test_wish_14_counts_of_many_columns_and_totals(rng):
    X = [rng.multinomial(50, [0.2, 0.3, 0.5], size=8) * 1.0 for _ in range(6)]
    X[0][2] = [0, 0, 0]
    X[1][4] = [10**6, 0, 0]
    model = RNN(GRU(3), Multinomial(), optimizer=Adam(0.05), max_epochs=3, random_state=0).fit(X)
    terms = np.concatenate(model.log_likelihoods(X))
    assert np.isfinite(terms).all() and terms.max() <= 0
    assert model.log_likelihoods(X)[0][2] == 0  # of nothing drawn


# -------------------------------------------------------------------- 15: one log-likelihood for each sequence


@pytest.mark.parametrize("emission", [Categorical(), Gaussian()], ids=str)
def test_wish_15_one_log_likelihood_for_each_sequence(emission):
    """Not their sum, and without a loop (hmmlearn #272)."""
    X = sequences_for(emission)
    model = network_with_random_weights(STACK, emission, X)
    found, terms = model.log_likelihood(X), model.log_likelihoods(X)
    assert found.shape == (4,)
    np.testing.assert_allclose(found, [own.sum() for own in terms], rtol=1e-12)
    np.testing.assert_allclose(found, [model.log_likelihood([x])[0] for x in X], rtol=1e-12)
    n_scored = Sequences.wrap(X).scored.sum()
    assert model.score(X) == pytest.approx(found.sum() / n_scored, rel=1e-12)
