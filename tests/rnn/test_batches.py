"""Batches of any size, in any number of threads, in memory new or used: the same results."""

import numpy as np
import pytest

from seqmodels import Sequences
from seqmodels.emissions import Categorical, Gaussian
from seqmodels.rnn import GRU, LSTM, RNN, Adam, Elman, shards
from seqmodels.rnn.packing import Arena, Batch, longest_first

from .cases import network_with_random_weights
from .stacks import Driven, random_weights

CELLS = {
    "Elman sigmoid": Elman(3, "sigmoid"),
    "LSTM": LSTM(17),
    "GRU after": GRU(16),
    "GRU before": GRU(5, "before"),
    "stack": [GRU(2, "before"), LSTM(3)],
}
SIZES = [*range(1, 10), 16, 17, 33, 70]
LONGEST = 4

each_cell = pytest.mark.parametrize("name", CELLS)
invalid_is_allowed = pytest.mark.filterwarnings("ignore:invalid value")  # says numpy, where nothing is compiled


def ragged_symbols(n, seed=1, longest=LONGEST):
    """Sequences of symbols, some of them missing."""
    generator = np.random.default_rng(seed)
    X = [generator.integers(6, size=generator.integers(1, longest + 1)).tolist() for _ in range(n)]
    for x in X[::7]:
        x[-1] = None
    return X


def ragged_numbers(n, seed=1, longest=LONGEST):
    generator = np.random.default_rng(seed)
    return [generator.normal(size=(generator.integers(1, longest + 1), 2)) for _ in range(n)]


# -------------------------------------------------------------------- batches of any size


@pytest.fixture(scope="module", params=CELLS)
def alone(request):
    """A network, 70 sequences, and what each of them gives by itself."""
    X = ragged_symbols(70)
    model = network_with_random_weights(CELLS[request.param], Categorical(), X)
    network, sequences = model._network, model._known(X)
    reading = network.weighted(sequences)
    found = [network.loss_and_gradient(model._weights, reading, np.array([n])) for n in range(70)]
    values, masses, gradients = (np.array(part) for part in zip(*found, strict=True))
    ready = model._ready
    terms = [network.terms(ready, sequences[np.array([n])]) for n in range(70)]
    states = np.concatenate([network.states_after(ready, sequences[np.array([n])]) for n in range(70)])
    return model, sequences, values, masses, masses[:, None] * gradients, terms, states


@pytest.fixture(params=["as it comes", "always shared out"])
def sharing(request):
    """Little work is not shared out unless it has to be."""
    if request.param == "always shared out":
        request.getfixturevalue("always_shared_out")


@pytest.mark.usefixtures("sharing")
@pytest.mark.parametrize("size", SIZES)
def test_a_batch_is_the_sum_of_its_sequences(size, alone):
    model, sequences, values, masses, gradients, terms, states = alone
    network, which = model._network, np.random.default_rng(size).permutation(70)[:size]
    value, mass, gradient = network.loss_and_gradient(model._weights, network.weighted(sequences), which)
    assert mass == masses[which].sum()
    assert value == pytest.approx(values[which].sum(), rel=1e-12)
    expected = gradients[which].sum(axis=0)
    assert np.abs(mass * gradient - expected).max() <= 1e-12 * np.abs(expected).max()

    batch = sequences[which]
    for batch_size in (None, size):
        own = np.split(network.terms(model._ready, batch, batch_size), batch.offsets[1:-1])
        for own_terms, n in zip(own, which, strict=True):
            np.testing.assert_allclose(own_terms, terms[n], rtol=1e-12, atol=1e-14)
        own = network.states_after(model._ready, batch, batch_size)
        np.testing.assert_allclose(own, states[which], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("length", [1, 2, 4])
def test_a_batch_of_sequences_of_one_length(length, alone):
    model, sequences, values, _, gradients, _, _ = alone
    which = np.flatnonzero(sequences.lengths == length)
    assert len(which) > 8
    value, mass, gradient = model._network.loss_and_gradient(model._weights, model._network.weighted(sequences), which)
    assert value == pytest.approx(values[which].sum(), rel=1e-12)
    expected = gradients[which].sum(axis=0)
    assert np.abs(mass * gradient - expected).max() <= 1e-12 * np.abs(expected).max()


@pytest.mark.parametrize(("work", "n_shards"), [(0, 1), (shards.LITTLE_WORK, 2), (shards.MUCH_WORK, 4)])
def test_shards_hold_every_sequence_once_and_share_long_and_short_ones(work, n_shards):
    for n in range(1, 301):
        size = shards.shard_size(n, 32, work)
        assert size % 8 == 0 and size <= 32
        found = shards.dealt_out(np.arange(n), size)
        np.testing.assert_array_equal(np.sort(np.concatenate(found)), np.arange(n))
        sizes = [len(shard) for shard in found]
        assert max(sizes) <= size and max(sizes) - min(sizes) <= 1
        for shard in found:  # every n-th, in their order
            assert (np.diff(shard) == len(found)).all()
    assert shards.shard_size(32, 32, work) == 32 // n_shards


@invalid_is_allowed
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each_cell
def test_what_is_no_number_stays_in_its_sequence(name, dtype, rng):
    """The rows of a tile do not mix."""
    cells = CELLS[name] if isinstance(CELLS[name], list) else [CELLS[name]]
    lengths = rng.integers(1, LONGEST + 1, 21)
    offsets = np.cumsum([0, *lengths])
    which = longest_first(offsets, np.arange(21))
    batch = Batch.of(offsets, which)
    stack = Driven(cells, random_weights(cells, 2, rng, dtype))
    shape = len(batch.rows), cells[0].n_gates * cells[0].n_hidden
    clean = rng.normal(size=shape).astype(dtype)
    d_top = rng.normal(size=(len(clean), cells[-1].n_hidden)).astype(dtype)

    def found(projected):
        stack.forward(projected, batch.sizes)
        return stack.states(), stack.backward(d_top, batch)[0]

    expected = found(clean)
    sequence_of = np.searchsorted(offsets, batch.rows, side="right") - 1
    for spoilt in which[[0, 7, 8, 20]]:
        projected, own = clean.copy(), sequence_of == spoilt
        projected[np.argmax(own)] = np.nan  # at its first step
        states, d_projected = found(projected)
        assert np.isnan(states[own]).any(axis=1).all()
        np.testing.assert_array_equal(states[~own], expected[0][~own])
        np.testing.assert_array_equal(d_projected[~own], expected[1][~own])


# -------------------------------------------------------------------- threads


def fitted(cell, X, n_jobs, **options):
    options = {"max_epochs": 2, "batch_size": 70, "validation_fraction": 0.1, "random_state": 0} | options
    return RNN(cell, optimizer=Adam(0.01), n_jobs=n_jobs, **options).fit(X)


def assert_same_bits(model, other, X):
    np.testing.assert_array_equal(model._weights, other._weights)
    for record, own in zip(model.history_, other.history_, strict=True):
        assert record | {"seconds": 0} == own | {"seconds": 0}
    np.testing.assert_array_equal(model.log_likelihood(X), other.log_likelihood(X))
    np.testing.assert_array_equal(model._beliefs_after(model._known(X)), other._beliefs_after(other._known(X)))


@pytest.mark.usefixtures("sharing")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("X", [ragged_symbols(78), ragged_numbers(78)], ids=["symbols", "numbers"])
@each_cell
def test_any_number_of_jobs_gives_the_same_bits(name, X, dtype):
    expected = fitted(CELLS[name], X, 1, dtype=dtype)
    for n_jobs in (2, 3):
        assert_same_bits(fitted(CELLS[name], X, n_jobs, dtype=dtype), expected, X)


@pytest.mark.compiled
@pytest.mark.parametrize("cell", [LSTM(48), GRU(40, "before")], ids=str)
def test_any_number_of_jobs_gives_the_same_bits_on_work_long_enough_to_overlap(cell):
    X = ragged_symbols(150, longest=120)
    expected = fitted(cell, X, 1)
    for n_jobs in (2, 3, 2):
        assert_same_bits(fitted(cell, X, n_jobs), expected, X)


def test_sequences_that_weigh_differently_give_the_same_bits_in_threads():
    X, weights = ragged_numbers(40), np.random.default_rng(3).uniform(0, 2, 40)
    models = [
        RNN(LSTM(3), max_epochs=2, batch_size=40, n_jobs=n_jobs, random_state=0).fit(X, sample_weight=weights)
        for n_jobs in (1, 2)
    ]
    np.testing.assert_array_equal(models[0]._weights, models[1]._weights)


@each_cell
def test_the_same_seed_gives_the_same_bits_again(name):
    X = ragged_symbols(20)
    first, second = (fitted(CELLS[name], X, 2, batch_size=7) for _ in range(2))
    assert_same_bits(first, second, X)
    again = first.fit(X)  # of the same object
    assert_same_bits(again, second, X)


# -------------------------------------------------------------------- memory used again


@pytest.fixture(scope="module", params=CELLS)
def updates(request):
    """A network and batches of many sizes, each with weights of its own."""
    X = ragged_symbols(70)
    model = network_with_random_weights(CELLS[request.param], Categorical(), X)
    generator = np.random.default_rng(8)
    longest_first = model._known(X).longest_first()
    batches = [
        np.arange(20), np.array([3]), longest_first[-5:], np.arange(70), longest_first[:9], np.array([4, 4, 4]),
        np.arange(30, 47),
    ]  # fmt: skip
    return model, X, [(generator.normal(scale=0.6, size=model.n_parameters_), which) for which in batches]


@pytest.mark.usefixtures("sharing")
def test_an_update_in_memory_used_before_equals_one_in_new_memory(updates):
    model, X, tasks = updates
    network = model._network
    reading, arena, found = network.weighted(model._known(X)), Arena(), []
    for vector, which in tasks:
        value, mass, gradient = network.loss_and_gradient(vector, reading, which, arena)
        found.append((value, mass, gradient.copy()))
    for (vector, which), own in zip(tasks, found, strict=True):
        value, mass, gradient = network.loss_and_gradient(vector, reading, which)
        assert own[:2] == (value, mass)
        np.testing.assert_array_equal(own[2], gradient)


@invalid_is_allowed
def test_memory_full_of_no_numbers_does_no_harm(updates):
    """As an update that diverges would leave it."""
    model, X, tasks = updates
    network, arena = model._network, Arena()
    reading, spoilt = network.weighted(model._known(X)), np.full(model.n_parameters_, np.nan)
    assert np.isnan(network.loss_and_gradient(spoilt, reading, np.arange(70), arena)[0])
    for vector, which in tasks:
        value, _, gradient = network.loss_and_gradient(vector, reading, which, arena)
        expected_value, _, expected = network.loss_and_gradient(vector, reading, which)
        assert value == expected_value
        np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize("emission", [Gaussian(), Categorical()], ids=str)
def test_weights_are_not_changed_by_what_reads_them(emission):
    X = ragged_symbols(12) if emission.symbolic else ragged_numbers(12)
    for cell in (GRU(16), LSTM(3)):  # read as they are, and made wider first
        model = network_with_random_weights(cell, emission, X)
        model._weights.flags.writeable = False
        network, sequences = model._network, model._known(X)
        network.loss_and_gradient(model._weights, network.weighted(sequences), np.arange(12))
        network.terms(model._ready, sequences)
        network.states_after(model._ready, sequences)


# -------------------------------------------------------------------- no number is hidden


@invalid_is_allowed
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@each_cell
def test_a_weight_that_is_no_number_is_seen(name, dtype):
    X = [*ragged_symbols(9), [0, 1, 2, 3]]
    model = RNN(CELLS[name], dtype=dtype, max_epochs=0, validation_fraction=0, random_state=0).fit(X)
    network, sequences = model._network, Sequences.wrap(X)
    vector = np.random.default_rng(2).normal(size=network.n_weights).astype(dtype)
    reading = network.weighted(model._known(sequences))
    for key in network.shapes:
        spoilt = vector.copy()
        network.named(spoilt)[key][..., -1] = np.nan  # the last unit of the last gate
        value, _, gradient = network.loss_and_gradient(spoilt, reading, np.arange(10))
        assert np.isnan(value), key
        assert np.isnan(gradient).any(), key
        model._weights = spoilt
        assert np.isnan(model.log_likelihood([[0, 1, 2, 3]])).all(), key


def test_training_stops_where_a_weight_is_no_number():
    class Spoilt(LSTM):
        def initial_weights(self, n_inputs, generator):
            weights = super().initial_weights(n_inputs, generator)
            weights["recurrent"][0, 0] = np.nan
            return weights

    with pytest.raises(FloatingPointError, match="infinite or NaN in epoch 1"):
        RNN(Spoilt(3), validation_fraction=0).fit(ragged_symbols(5))
