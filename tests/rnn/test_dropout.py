"""Dropout: what masks leave is what plain equations say, and gradients are those of the loss under the masks."""

import numpy as np
import pytest
import reference

from seqmodels.emissions import Categorical, Gaussian
from seqmodels.rnn import GRU, LSTM, RNN, SGD, Adam, Elman
from seqmodels.rnn.dropout import Dropout
from seqmodels.rnn.packing import Arena, longest_first

from .cases import CELLS, network_with_random_weights, sequences_for
from .test_batches import assert_same_bits, ragged_numbers, ragged_symbols
from .test_gradients import assert_same_gradient, central_differences
from .test_network import plain_input, plain_output, plain_step
from .test_variants import of_width
from .variants import VARIANTS, interpreted

SEED, RATE = 3, 0.4
PASSED, RECALLED = {"passed": RATE}, {"recalled": 0.5}


def update(model, sequences, rates=PASSED, state=None):
    """Log-likelihood, mass and gradient of all sequences, under masks that only the seed decides."""
    network, dropout = model._network, Dropout(rates, np.random.default_rng(SEED))
    batch, which = network.weighted(sequences), np.arange(len(sequences))
    return network.loss_and_gradient(model._weights, batch, which, state=state, dropout=dropout)


def masks_of(model, X, rates=PASSED):
    """For each sequence and each layer, its mask: they are drawn for the whole batch, the longest first.

    Of what layers hand up it has a row a step, (T, H), of what they recall one row, (1, H).
    """
    cells, axes = model._network.stack.cells, model._network.stack.outputs
    columns, ((name, _),) = np.cumsum([0, *[axis.wide for axis in axes]]), rates.items()
    n_rows = [len(x) if name == "passed" else 1 for x in X]
    masks = Dropout(rates, np.random.default_rng(SEED)).masks(name, Arena(), (sum(n_rows), columns[-1]), "float64")
    found, row = [None] * len(X), 0
    for n in np.argsort([-len(x) for x in X], kind="stable"):
        own, row = masks[row : row + n_rows[n]], row + n_rows[n]
        found[n] = [own[:, start : start + cell.n_outputs] for start, cell in zip(columns, cells, strict=False)]
    return found


STACK = [GRU(2, "before"), LSTM(3)]
CASES = [(LSTM(17), Categorical()), (STACK, Categorical()), (STACK, Gaussian())]  # 17 are more than a vector of units

each_case = pytest.mark.parametrize(("cell", "emission"), CASES, ids=str)


@each_case
def test_the_loss_equals_plain_equations_under_the_masks(cell, emission):
    X = sequences_for(emission)
    model = network_with_random_weights(cell, emission, X)
    steps = [plain_step(layer) for layer in model._network.stack.cells]
    (read, start), log_density = plain_input(emission, X), plain_output(emission, model.marginal_)
    expected = [
        reference.network_terms(list(x), steps, model.weights_, read, start, log_density, masks)
        for x, masks in zip(X, masks_of(model, X), strict=True)
    ]
    value, _, _ = update(model, model._known(X))
    assert value == pytest.approx(sum(map(sum, expected)), rel=1e-11)
    assert value != pytest.approx(model.log_likelihood(X).sum(), rel=1e-3)


CELLS_THAT_RECALL = {name: own.cell for name, own in VARIANTS.items()} | CELLS


@pytest.mark.parametrize("H", [None, 17])
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=interpreted if name in VARIANTS and not VARIANTS[name].compiled else [])
        for name in CELLS_THAT_RECALL
    ],
)
def test_recurrent_dropout_is_that_of_rows_of_recurrent_weights(name, H):
    X = sequences_for(Gaussian())
    cells = CELLS_THAT_RECALL[name]
    if H is not None:
        cells = [of_width(cell, H) for cell in (cells if isinstance(cells, list) else [cells])]
    model = network_with_random_weights(cells, Gaussian(), X)
    assert_is_as_with_masked_weights(model, X)


@interpreted
def test_the_regulariser_of_jacobians_is_of_those_under_the_mask():
    X = sequences_for(Gaussian())
    model = network_with_random_weights([Elman(3), Elman(17)], Gaussian(), X)
    model._network = model._network.with_penalty(0.7)
    assert_is_as_with_masked_weights(model, X)


def assert_is_as_with_masked_weights(model, X):
    """Recurrent weights see what a mask leaves: all is as with weights without the rows it leaves out."""
    network, sequences, masks_of_all = model._network, model._known(X), masks_of(model, X, RECALLED)
    batch, total, mass = network.weighted(sequences), 0.0, sequences.scored.sum()
    expected, order = np.zeros(network.n_weights), longest_first(sequences.offsets, np.arange(len(X)))
    state = np.random.default_rng(4).normal(scale=0.5, size=(len(X), network.stack.n_state))
    states = [row[None].copy() for row in state]
    for n, own_state in zip(order, states, strict=True):
        masks = masks_of_all[n]
        vector = model._weights.copy()
        factors = [(layer, mask[0, : network.shapes[layer, "recurrent"][0], None]) for layer, mask in enumerate(masks)]
        for layer, factor in factors:
            network.named(vector)[layer, "recurrent"][...] *= factor
        value, own_mass, gradient = network.loss_and_gradient(vector, batch, np.array([n]), state=own_state)
        for layer, factor in factors:
            network.named(gradient)[layer, "recurrent"][...] *= factor
        total, expected = total + value, expected + gradient * (own_mass / mass)
    value, _, gradient = update(model, sequences, RECALLED, state)
    assert value == pytest.approx(total, rel=1e-12)
    np.testing.assert_allclose(state, np.concatenate(states), rtol=1e-10, atol=1e-14)
    for key, own in network.named(gradient).items():
        truth = network.named(expected)[key]
        np.testing.assert_allclose(own, truth, rtol=1e-9, atol=1e-12 * np.abs(truth).max(), err_msg=str(key))


@pytest.mark.parametrize("rates", [PASSED, RECALLED, PASSED | RECALLED], ids=str)
@pytest.mark.parametrize("truncation", [None, 2])
@pytest.mark.parametrize(("cell", "emission"), CASES[1:], ids=str)
def test_gradients_equal_central_differences_under_the_same_masks(cell, emission, truncation, rates):
    """Of windows, by those whose weights are shifted alone: states are carried on under the weights themselves.

    A mask may leave nothing of an array, which has no gradient then.
    """
    X = sequences_for(emission)
    model, generator = network_with_random_weights(cell, emission, X), np.random.default_rng(5)
    network, sequences, vector = model._network, model._known(X), model._weights
    row_weights = generator.uniform(0.5, 2, sequences.n_observations)
    batch, which = network.weighted(sequences, row_weights, truncation), np.arange(len(X))
    for number, window in enumerate(network.windows(batch, which)):
        start = None if window.state is None else window.state.copy()

        def update_at(vector, state, number=number, window=window):
            dropout = Dropout(rates, np.random.default_rng(number))
            return network.loss_and_gradient(vector, batch, window.which, state=state, dropout=dropout)

        _, mass, gradient = update_at(vector, window.state)

        def loss(shifted, update_at=update_at, start=start, mass=mass):
            return -update_at(shifted, None if start is None else start.copy())[0] / mass

        expected = central_differences(loss, vector.copy()) if mass else np.zeros_like(vector)
        assert_same_gradient(network, gradient, expected, every_array_has_one=False)


def test_masks_leave_out_at_the_rate_and_make_up_for_it():
    dropout, arena = Dropout({"passed": 0.3, "recalled": 0.3}, np.random.default_rng(0)), Arena()
    masks = dropout.masks("passed", arena, (500, 200), "float64")
    assert set(np.unique(masks)) == {0.0, 1 / 0.7}
    assert (masks == 0).mean() == pytest.approx(0.3, abs=0.01)
    other = dropout.masks("recalled", arena, (500, 200), "float64")
    assert ((masks == 0) & (other == 0)).mean() == pytest.approx(0.09, abs=0.01)


@pytest.mark.parametrize(("name", "rtol"), [("passed", 0), ("recalled", 1e-10)])  # in another order
def test_masks_that_leave_all_change_nothing(name, rtol):
    X = ragged_symbols(12)
    model = network_with_random_weights(STACK, Categorical(), X)
    network, which = model._network, np.arange(12)
    batch = network.weighted(model._known(X))
    value, mass, gradient = network.loss_and_gradient(model._weights, batch, which)
    dropout = Dropout({name: 0.0}, np.random.default_rng(0))
    own = network.loss_and_gradient(model._weights, batch, which, dropout=dropout)
    assert own[:2] == (value, mass)
    np.testing.assert_allclose(own[2], gradient, rtol=rtol)


@pytest.mark.parametrize("emission", [Categorical(), Gaussian()], ids=str)
def test_masks_do_not_depend_on_how_a_batch_is_shared_out(emission, request):
    X = ragged_symbols(30) if emission.symbolic else ragged_numbers(30)
    model = network_with_random_weights(STACK, emission, X)
    sequences = model._known(X)
    value, _, gradient = update(model, sequences, PASSED | RECALLED)
    request.getfixturevalue("always_shared_out")
    shared_value, _, shared = update(model, sequences, PASSED | RECALLED)
    assert shared_value == pytest.approx(value, rel=1e-12)
    assert np.abs(shared - gradient).max() <= 1e-12 * np.abs(gradient).max()


def fitted(X, n_jobs=1, **options):
    options = {"max_epochs": 2, "batch_size": 40, "validation_fraction": 0, "random_state": 0} | options
    options |= {"optimizer": Adam(0.01), "dtype": "float64", "n_jobs": n_jobs}
    return RNN(STACK, dropout=RATE, recurrent_dropout=RATE, **options).fit(X)


@pytest.mark.usefixtures("always_shared_out")
@pytest.mark.parametrize("make", [ragged_symbols, ragged_numbers], ids=["symbols", "numbers"])
def test_any_number_of_jobs_gives_the_same_bits(make):
    X = make(50)
    expected = fitted(X)
    assert_same_bits(fitted(X, n_jobs=2), expected, X)
    assert not np.array_equal(fitted(X, random_state=1)._weights, expected._weights)


def test_a_trained_network_leaves_nothing_out():
    X = ragged_symbols(20)
    model = fitted(X)
    np.testing.assert_array_equal(model.log_likelihood(X), model.log_likelihood(X))
    plain = RNN(STACK, max_epochs=0, validation_fraction=0, dtype="float64", random_state=0).fit(X)
    plain._weights = model._weights
    np.testing.assert_array_equal(plain.log_likelihood(X), model.log_likelihood(X))


# -------------------------------------------------------------------- decay of weights


@pytest.mark.parametrize("clip_norm", [None, 1e-9])
def test_decay_pulls_at_matrices_beside_the_clipped_gradient(clip_norm):
    """One epoch of one batch is one update; with the gradient clipped to next to nothing, all is decay."""
    X, options = ragged_symbols(8), {"max_epochs": 1, "validation_fraction": 0, "dtype": "float64", "random_state": 0}
    options |= {"optimizer": SGD(0.5), "clip_norm": clip_norm}
    start = RNN(LSTM(3), **options | {"max_epochs": 0}).fit(X).weights_
    without, decayed = (RNN(LSTM(3), weight_decay=decay, **options).fit(X).weights_ for decay in (0.0, 0.1))
    for name, array in decayed.items():
        shrunk = 0.5 * 0.1 * start[name] * (array.ndim == 2)
        np.testing.assert_allclose(array, without[name] - shrunk, rtol=1e-12, atol=1e-15)
    assert np.abs(start["bias_l0"]).max() > 0.1  # biases would have been seen to shrink
