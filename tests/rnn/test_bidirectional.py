"""Layers in both directions: against plain equations and central differences."""

import itertools

import numpy as np
import pytest
import reference

from seqmodels import RNN
from seqmodels.rnn import GRU, LSTM, Elman
from seqmodels.rnn.bidirectional import WAYS, Bidirectional, reversed_rows

from .stacks import batch_of
from .test_gradients import central_differences
from .test_network import plain_step
from .variants import VARIANTS, interpreted

LENGTHS = (3, 1, 5, 2)
OFFSETS = np.cumsum([0, *LENGTHS])
STACKS = {
    "pointwise": [LSTM(3)],
    "row steps": [GRU(2, "before")],
    "two layers": [LSTM(2), LSTM(3)],
    "of two kinds": [Elman(3, bias=False), GRU(2)],
}
every_stack = pytest.mark.parametrize("cells", STACKS.values(), ids=STACKS.keys())


def ready(cells, n_inputs, symbols=False, seed=0, dtype="float64"):
    """Layers with random weights, and these weights."""
    layers, generator = Bidirectional(cells), np.random.default_rng(seed)
    weights = {
        key: generator.normal(scale=0.6, size=shape).astype(dtype)
        for key, shape in layers.weight_shapes(n_inputs).items()
    }
    return layers, weights, layers.ready(weights, symbols)


def in_data_order(array, batch):
    ordered = np.empty_like(array)
    ordered[batch.rows] = array
    return ordered


# -------------------------------------------------------------------- rows


def test_rows_are_reversed_within_each_sequence():
    batch = batch_of(LENGTHS)
    turned = reversed_rows(batch.sizes)
    for start, stop in itertools.pairwise(OFFSETS):
        own = (batch.rows >= start) & (batch.rows < stop)
        np.testing.assert_array_equal(batch.rows[turned[own]], start + stop - 1 - batch.rows[own])
    np.testing.assert_array_equal(turned[turned], np.arange(11))


# -------------------------------------------------------------------- forward


@every_stack
def test_hidden_states_equal_plain_equations(cells, rng):
    _, weights, run = ready(cells, 2)
    x, batch = rng.normal(size=(11, 2)), batch_of(LENGTHS)
    hidden = in_data_order(run.forward(batch, x[batch.rows]), batch)
    for start, stop in itertools.pairwise(OFFSETS):
        inputs = x[start:stop].tolist()
        for layer, cell in enumerate(cells):
            both = []
            for way in WAYS:
                W_ih, W_hh = (weights[layer, way, name].T.tolist() for name in ("input", "recurrent"))
                bias = weights.get((layer, way, "bias"), np.zeros(len(W_ih))).tolist()
                others = (
                    [weights[layer, way, "candidate_bias"].tolist()]
                    if isinstance(cell, GRU) and cell.reset == "after"
                    else []
                )
                own = inputs if way == "" else inputs[::-1]
                states, _ = reference.run_layer(plain_step(cell), own, W_ih, W_hh, bias, *others)
                both.append(states if way == "" else states[::-1])
            inputs = [[*onwards, *back] for onwards, back in zip(*both, strict=True)]
        np.testing.assert_allclose(hidden[start:stop], inputs, rtol=1e-11, atol=1e-13)


def test_symbols_pick_their_rows(rng):
    _, _, run = ready(STACKS["two layers"], 5, symbols=True)
    codes, batch = rng.integers(5, size=11), batch_of(LENGTHS)
    _, _, dense = ready(STACKS["two layers"], 5)
    np.testing.assert_allclose(
        run.forward(batch, codes[batch.rows]), dense.forward(batch, np.eye(5)[codes[batch.rows]]), rtol=1e-12
    )


def test_the_future_is_seen_and_only_that_of_the_same_sequence(rng):
    _, _, run = ready(STACKS["two layers"], 2)
    x, batch = rng.normal(size=(11, 2)), batch_of(LENGTHS)
    before = in_data_order(run.forward(batch, x[batch.rows]), batch)
    x[8] += 1.0  # the last of the third sequence
    after = in_data_order(run.forward(batch, x[batch.rows]), batch)
    changed = (before != after).any(axis=1)
    np.testing.assert_array_equal(np.flatnonzero(changed), np.arange(4, 9))


# -------------------------------------------------------------------- backward


@pytest.mark.parametrize(
    ("name", "symbols"), [(name, False) for name in STACKS] + [("row steps", True), ("two layers", True)]
)
def test_gradients_equal_central_differences(name, symbols, rng):
    layers, weights, run = ready(STACKS[name], 4, symbols)
    batch = batch_of(LENGTHS)
    inputs = rng.permutation(np.arange(11) % 4) if symbols else rng.normal(size=(11, 4))
    d_hidden = rng.normal(size=(11, layers.n_outputs))

    run.forward(batch, inputs)
    gradients, d_inputs = run.backward(d_hidden)
    assert {key: array.shape for key, array in gradients.items()} == layers.weight_shapes(4)
    assert d_inputs.shape == (11, 0 if symbols else 4)
    d_inputs = d_inputs.copy()
    arrays = [(weights[key], gradients[key].copy()) for key in weights] + ([] if symbols else [(inputs, d_inputs)])
    for array, gradient in arrays:
        expected = central_differences(lambda _: d_hidden * run.forward(batch, inputs), array)
        assert np.abs(expected).max() > 0
        assert np.abs(gradient - expected).max() <= 1e-7 * np.abs(expected).max()


@interpreted
@pytest.mark.parametrize("name", VARIANTS)
def test_every_cell_runs_in_both_directions(name, rng):
    """Its derivative in a random direction of each weight equals the central difference."""
    layers, weights, run = ready([VARIANTS[name].cell] * 2, 2)
    batch, x, d_hidden = batch_of(LENGTHS), rng.normal(size=(11, 2)), rng.normal(size=(11, layers.n_outputs))
    run.forward(batch, x)
    gradients, _ = run.backward(d_hidden)
    for key, array in weights.items():
        kept, direction, found = array.copy(), rng.normal(size=array.shape), []
        for step in (1e-5, -1e-5):
            array[...] = kept + step * direction
            found.append((d_hidden * run.forward(batch, x)).sum())
        array[...] = kept
        expected, scale = (found[0] - found[1]) / 2e-5, np.abs(gradients[key] * direction).sum()
        assert scale > 0
        assert abs((gradients[key] * direction).sum() - expected) <= 1e-7 * scale, key


def test_a_ragged_batch_is_the_sum_of_its_sequences(rng):
    layers, _, run = ready(STACKS["two layers"], 2)
    x, d_hidden, batch = rng.normal(size=(11, 2)), rng.normal(size=(11, layers.n_outputs)), batch_of(LENGTHS)
    hidden = in_data_order(run.forward(batch, x[batch.rows]), batch)
    gradients, d_inputs = run.backward(d_hidden[batch.rows])
    d_inputs, total = in_data_order(d_inputs, batch), dict.fromkeys(gradients, 0.0)
    for start, stop in itertools.pairwise(OFFSETS):
        alone = batch_of([stop - start])
        np.testing.assert_allclose(run.forward(alone, x[start:stop]), hidden[start:stop], rtol=1e-12)
        own, own_d_inputs = run.backward(d_hidden[start:stop])
        np.testing.assert_allclose(own_d_inputs, d_inputs[start:stop], rtol=1e-12)
        total = {key: total[key] + array for key, array in own.items()}
    for key, array in gradients.items():
        np.testing.assert_allclose(array, total[key], rtol=1e-10, atol=1e-13)


# -------------------------------------------------------------------- what it is not for


@pytest.mark.parametrize("cell", [Bidirectional(LSTM(2)), [LSTM(2), Bidirectional([GRU(2), LSTM(2)])]])
def test_a_generative_network_refuses_to_see_the_future(cell):
    with pytest.raises(ValueError, match="which would see the future that the network predicts; cells that run in one"):
        RNN(cell).fit(["abab", "ba"])


def test_cells_are_checked():
    with pytest.raises(ValueError, match="n_hidden is 0"):
        Bidirectional(LSTM(0))
