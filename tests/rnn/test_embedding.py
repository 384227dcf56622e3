"""Symbols as vectors, alone and beside numbers: against plain equations, and the gradients of the vectors."""

import numpy as np
import pytest
import reference
from sklearn.base import clone

from seqmodels import RNN, Sequences
from seqmodels.base import SequenceModel
from seqmodels.emissions import Categorical, Gaussian, Mixture, Poisson, Product
from seqmodels.jit import kernel
from seqmodels.rnn import GRU, LSTM, Adam, Embedding
from seqmodels.rnn.embedding import add_to_table, embedding_for, gather

from .cases import network_with_random_weights
from .test_gradients import assert_gradient_is_right
from .test_network import plain_output, plain_step
from .variants import VARIANTS, interpreted

CELLS = {"pointwise": LSTM(2), "row steps": GRU(2, "before"), "stack": [GRU(3), LSTM(2)]}
WORDS = [list("abcab"), ["b"], [None, "c", None], ["a", "c", "b"]]
VECTORS = {"a": [0.5, -1.0, 2.0], "b": [1.0, 0.25, -0.5], "c": [-2.0, 1.5, 0.0]}
EMBEDDINGS = {
    "learned": 3,
    "given as a dict": VECTORS,
    "given as an array": np.array(list(VECTORS.values())),
    "given in part": {symbol: VECTORS[symbol] for symbol in "ca"},
    "trainable": Embedding(VECTORS, trainable=True),
}
CASES = [("pointwise", embedding) for embedding in EMBEDDINGS] + [
    ("row steps", "learned"), ("row steps", "given as a dict"),
]  # fmt: skip
every_case = pytest.mark.parametrize(("cell", "embedding"), CASES, ids=["-".join(case) for case in CASES])
TABLE = Product([Gaussian(), Categorical(0.5), Poisson(), Mixture(Categorical(0.5), 2)], [[0, 3], 2, 1, 4])


def table(gaps=True):
    """Numbers, counts and two columns of symbols, of three and of two."""
    g = np.random.default_rng(3)
    X = []
    for T in (6, 1, 3, 4):
        first = g.normal(100, 5, T), g.poisson(3, T), g.integers(3, size=T)
        X.append(np.column_stack([*first, g.normal(size=T), g.permutation(T) % 2]))
    if gaps:
        X[0][1, 2] = X[0][2, 0] = X[2][0, 4] = X[3][1, 1] = np.nan
        X[2][2] = np.nan
    return X


def network(cell, emission, X, embedding=None):
    """One all of whose weights are random, those of the learned vectors too."""
    return network_with_random_weights(CELLS[cell], emission, X, embedding=embedding)


def plain_terms(model, cell, X, read, start, log_density):
    layers = CELLS[cell] if isinstance(CELLS[cell], list) else [CELLS[cell]]
    steps, weights = [plain_step(layer) for layer in layers], model.weights_
    return [reference.network_terms(list(x), steps, weights, read, start, log_density) for x in X]


# -------------------------------------------------------------------- symbols


@every_case
def test_likelihoods_equal_plain_equations(cell, embedding):
    model = network(cell, Categorical(), WORDS, EMBEDDINGS[embedding])
    vectors, rows = model.weights_["embedding"].tolist(), {"a": 0, "b": 1, "c": 2, "z": 3, None: 4}
    for symbol in VECTORS if "given" in embedding else ():
        if not (embedding == "given in part" and symbol == "b"):
            assert vectors[rows[symbol]] == list(VECTORS[symbol])
    X = [*WORDS, ["z", "a", None, "z", "b"]]
    codes = [[rows[symbol] if symbol is not None else None for symbol in x] for x in X]
    read = {code: vectors[code] for code in range(4)} | {None: vectors[4]}
    log_density = plain_output(Categorical(), model.marginal_)
    for own, expected in zip(
        model.log_likelihoods(X), plain_terms(model, cell, codes, read.get, vectors[5], log_density), strict=True
    ):
        np.testing.assert_allclose(own, expected, rtol=1e-11, atol=1e-12)


@every_case
def test_gradients_equal_central_differences(cell, embedding):
    """Of every learned vector: those of the unknown symbol, a missing one and the start too."""
    model = network(cell, Categorical(), WORDS, EMBEDDINGS[embedding])
    assert_gradient_is_right(model, [*WORDS, ["z", "a", None, "z", "b"]])


def test_fixed_vectors_stay_and_trainable_ones_move(rng):
    X = [rng.choice(list("abc"), size=5).tolist() for _ in range(20)]
    options = {"weight_decay": 0.1, "max_epochs": 2, "validation_fraction": 0, "random_state": 0}
    fixed = RNN(LSTM(2), embedding=VECTORS, **options).fit(X)
    moved = RNN(LSTM(2), embedding=Embedding(VECTORS, trainable=True), **options).fit(X)
    given = np.array(list(VECTORS.values()))
    np.testing.assert_array_equal(fixed.weights_["embedding"][:3], given)
    assert fixed.weights_["embedding"][5].all()  # the start is learned
    assert not fixed.weights_["embedding"][3].any()  # no unknown symbol was there to learn from
    assert np.abs(moved.weights_["embedding"][:3] - given).min() > 0
    assert moved.n_parameters_ == fixed.n_parameters_ + 9
    learned = RNN(LSTM(2), embedding=4, **options).fit(X)
    assert learned.weights_["embedding"].shape == (6, 4)
    assert learned.weights_["weight_ih_l0"].shape == (8, 4)


def test_embedded_symbols_are_sampled_forecast_and_followed():
    model = network("pointwise", Categorical(), WORDS, 3)
    terms = model.log_likelihoods(WORDS)
    np.testing.assert_allclose(SequenceModel._terms(model, model._known(WORDS)), np.concatenate(terms), rtol=1e-12)
    stream = model.stream()
    np.testing.assert_allclose([stream.update(symbol) for symbol in WORDS[0]], terms[0], rtol=1e-12)
    beliefs = model._beliefs_after(model._known(WORDS))
    np.testing.assert_allclose(SequenceModel._beliefs_after(model, model._known(WORDS)), beliefs, rtol=1e-12)
    for n_rows in (1, 3):
        own = model._network.terms(model._ready, model._known(WORDS), 3, n_rows)
        np.testing.assert_allclose(own, np.concatenate(terms), rtol=1e-12)
    assert len(model.sample(2, 4, random_state=0)) == 2
    assert len(model.predict(WORDS, 2, beam_width=3)[0]) == 2


def test_a_network_with_an_embedding_is_an_estimator():
    model = RNN(LSTM(2), embedding=Embedding(VECTORS), max_epochs=1, validation_fraction=0, random_state=0)
    model.set_params(embedding__trainable=True)
    other = clone(model)
    np.testing.assert_array_equal(other.fit(WORDS).log_likelihood(WORDS), model.fit(WORDS).log_likelihood(WORDS))


def test_a_context_and_an_embedding_go_together():
    X = Sequences.wrap(WORDS).with_context([[1.0], [2.0], [0.0], [4.0]])
    assert_gradient_is_right(network("pointwise", Categorical(), X, 3), X[np.array([0, 2, 3, 1])])


@interpreted
@pytest.mark.parametrize("name", VARIANTS)
def test_every_cell_reads_embeddings_in_a_context(name):
    X = Sequences.wrap(WORDS).with_context([[1.0], [2.0], [0.0], [4.0]])
    model = network_with_random_weights(VARIANTS[name].cell, None, X, embedding=2)
    together = Sequences.wrap([*WORDS, list("zaz")]).with_context([[1.0], [2.0], [0.0], [4.0], [1.0]])
    assert_gradient_is_right(model, together)


WRONG = [
    (0, "embedding is 0; integers from 1"),
    ({}, "embedding has a vector for none of the 3 symbols of X, such as 'a'"),
    ({"a": [1.0, 2.0], "b": [1.0]}, "embedding is not made of vectors of one length"),
    ({"a": [1.0, np.nan], "b": [1.0, 2.0]}, "embedding of the symbol 'a' is not finite"),
    (np.ones((4, 2)), r"embedding has shape \(4, 2\); one row for each of the 3 symbols, \(3, E\)"),
    (np.ones(3), r"embedding has shape \(3,\)"),
    ("abc", "embedding is not made of vectors"),
]


@pytest.mark.parametrize(("embedding", "message"), WRONG, ids=[case[1][:40] for case in WRONG])
def test_wrong_embeddings_are_refused(embedding, message):
    with pytest.raises(ValueError, match=message):
        RNN(LSTM(2), embedding=embedding, max_epochs=0).fit(WORDS)


def test_training_goes_on_with_the_embedding_that_is_there():
    options = {"max_epochs": 1, "validation_fraction": 0, "warm_start": True}
    for first, others in (
        (None, [2, VECTORS]),
        (3, [2, VECTORS, None]),
        (VECTORS, [3, None, {"a": [1.0, 1.0, 1.0]}, Embedding(VECTORS, trainable=True)]),
    ):
        model = RNN(LSTM(2), embedding=first, **options).fit(WORDS)
        model.fit(WORDS[:1]).partial_fit(WORDS[1:])
        before = model.weights_
        for other in others:
            with pytest.raises(ValueError, match="embedding is not that of the weights from which training goes on"):
                model.set_params(embedding=other).fit(WORDS)
        for name, array in model.weights_.items():
            np.testing.assert_array_equal(array, before[name])
    mixed = RNN(LSTM(2), TABLE, **options).fit(table())
    mixed.partial_fit([table()[0][:2]])  # with fewer symbols


def test_numbers_are_not_embedded():
    with pytest.raises(ValueError, match="embedding is for symbols, and X holds numbers"):
        RNN(LSTM(2), Gaussian(), embedding=3, max_epochs=0).fit([[0.5, 1.5]])
    with pytest.raises(ValueError, match="embedding holds vectors, and X a table with columns of symbols"):
        RNN(LSTM(2), TABLE, embedding=VECTORS, max_epochs=0).fit(table())


# -------------------------------------------------------------------- columns of symbols beside numbers


def test_vectors_are_gathered_side_by_side_and_added_up_where_they_came_from(rng):
    table, codes, rows = rng.normal(size=(7, 3)), rng.integers(7, size=(5, 2)), np.array([4, 2, 0, 3, 1])
    source = np.zeros((3, 12))
    kernel(gather)(3, codes, table, rows, 1, 2, source)
    np.testing.assert_array_equal(source[:, 2:8], table[codes[rows[1:4]]].reshape(3, 6))
    assert not source[:, :2].any() and not source[:, 8:].any()
    found, expected, d_inputs = np.zeros((7, 3)), np.zeros((7, 3)), rng.normal(size=(5, 12))
    add_to_table(5, codes, rows, d_inputs, 2, found)
    np.add.at(expected, codes[rows], d_inputs[:, 2:8].reshape(5, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-13)


@pytest.mark.parametrize("gaps", [True, False])
@pytest.mark.parametrize("cell", CELLS)
def test_a_table_is_read_column_by_column(cell, gaps):
    """Numbers are standardised, missing ones flagged, symbols are vectors: plain equations read the same."""
    X = table(gaps)
    model = network(cell, TABLE, X)
    vectors, values = model.weights_["embedding"].tolist(), np.concatenate(X)[:, [0, 1, 3]]
    E = len(vectors[0])
    assert (len(vectors), E) == (3 + 3 + 2 + 3, 6)
    centre, scale = np.nanmean(values, axis=0), np.nanstd(values, axis=0)

    def row(code, first, n):
        return vectors[first + (n + 1 if np.isnan(code) else int(min(code, n)))]

    def read(x):
        numbers = [(value - m) / s for value, m, s in zip(x[[0, 1, 3]], centre, scale, strict=True)]
        flags = [float(np.isnan(value)) for value in numbers] if gaps else []
        return [*np.nan_to_num(numbers), *flags, *row(x[2], 0, 3), *row(x[4], 6, 2)]

    start = [0.0] * (6 if gaps else 3) + vectors[5] + vectors[10]

    def log_density(x, raw):
        return float(TABLE.log_density(x, TABLE.from_raw(np.array(raw), model.marginal_)))

    new = X[0].copy()
    new[1, 2], new[3, 4], new[2, 0] = 7, 5, np.nan  # symbols not seen in fit, and a gap that may be the first one
    for own, expected in zip(
        model.log_likelihoods([*X, new]), plain_terms(model, cell, [*X, new], read, start, log_density), strict=True
    ):
        np.testing.assert_allclose(own, expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_a_table_equal_central_differences(cell):
    X = table()
    new = X[0].copy()
    new[1, 2], new[3, 4], new[2, 4] = 7, 5, np.nan
    assert_gradient_is_right(network(cell, TABLE, X, 2), [*X, new])


def test_codes_of_symbols_are_not_numbers():
    """The same symbols under other codes are worth the same, once the vectors have changed places."""
    X = table(gaps=False)
    model = network("pointwise", TABLE, X)
    named = model._network.named(model._weights)
    assert model._network.inputs.columns.tolist() == [0, 1, 3]
    swapped = [x.copy() for x in X]
    for x in swapped:
        x[:, 4] = 1 - x[:, 4]
    before = [own.copy() for own in model._beliefs_after(model._known(X))]
    named["embedding", "weight"][[6, 7]] = named["embedding", "weight"][[7, 6]]
    model._weights = model._weights.copy()
    np.testing.assert_allclose(model._beliefs_after(model._known(swapped)), before, rtol=1e-12)


def test_the_size_of_what_is_learned_follows_the_number_of_symbols():
    def size(n_symbols, embedding=None):
        X = Sequences.wrap([np.column_stack([np.arange(n_symbols), np.zeros(n_symbols)]) * 1.0])
        return embedding_for(X, [0], embedding, "float32").table.shape

    assert [size(2), size(13), size(14), size(2000)] == [(5, 5), (16, 16), (17, 16), (2003, 16)]
    assert size(2000, 40) == (2003, 40)


@pytest.mark.compiled
def test_what_a_symbol_tells_of_a_number_is_learnt(rng):
    """The next number depends on the present symbol in no order of the codes."""
    means = np.array([0.0, 6.0, -3.0, 3.0, -6.0])
    X = []
    for _ in range(60):
        codes = rng.integers(5, size=30)
        numbers = np.append(0.0, means[codes[:-1]]) + 0.5 * rng.normal(size=30)
        X.append(np.column_stack([codes, numbers]))
    emission = Product([Categorical(0.5), Gaussian()])
    model = RNN(LSTM(16), emission, optimizer=Adam(1e-2), max_epochs=25, random_state=0).fit(X[:50])
    best = -np.log(5) - 0.5 * np.log(2 * np.pi * np.e * 0.25)
    assert model.score(X[50:]) > best - 0.25
