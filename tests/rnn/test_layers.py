import numpy as np
import pytest

from seqmodels.rnn import GRU, LSTM, Elman
from seqmodels.rnn.layers import Packing, Stack

CELLS = [LSTM(2), GRU(3), Elman(2)]


def random_offsets(rng, n=9, longest=6):
    return np.concatenate([[0], np.cumsum(rng.integers(1, longest, n))])


# -------------------------------------------------------------------- packing


@pytest.mark.parametrize("which", [[0], [4, 2], [8, 7, 6, 5, 4, 3, 2, 1, 0], [3, 3]], ids=str)
def test_packing_invariants(which, rng):
    offsets, which = random_offsets(rng), np.array(which)
    lengths = np.diff(offsets)
    rows, sizes, before, order = packing = Packing.of(offsets, which)
    assert sorted(order) == sorted(which)
    assert (np.diff(lengths[order]) <= 0).all()
    assert len(sizes) == lengths[which].max()
    assert (np.diff(sizes) <= 0).all() and sizes[0] == len(which)
    assert sizes.sum() == len(rows) == len(before) == lengths[which].sum()
    expected = np.sort(np.concatenate([np.arange(offsets[n], offsets[n + 1]) for n in which]))
    np.testing.assert_array_equal(np.sort(rows), expected)
    first = 0
    for t, size in enumerate(sizes):  # rows of one step: the sequences that still run, longest first
        np.testing.assert_array_equal(rows[first : first + size], offsets[order[:size]] + t)
        first += size
    started = before < 0
    np.testing.assert_array_equal(started, np.arange(len(rows)) < len(which))
    np.testing.assert_array_equal(rows[before[~started]] + 1, rows[~started])
    np.testing.assert_array_equal(rows[packing.last], offsets[order + 1] - 1)


def test_sequences_of_one_length_keep_their_order():
    packing = Packing.of(np.array([0, 2, 4, 7, 9]), np.array([3, 0, 2, 1]))
    np.testing.assert_array_equal(packing.order, [2, 3, 0, 1])
    np.testing.assert_array_equal(packing.rows, [4, 7, 0, 2, 5, 8, 1, 3, 6])
    np.testing.assert_array_equal(packing.sizes, [4, 4, 1])
    np.testing.assert_array_equal(packing.before, [-1, -1, -1, -1, 0, 1, 2, 3, 4])
    np.testing.assert_array_equal(packing.last, [8, 5, 6, 7])


# -------------------------------------------------------------------- stacks


def random_stack(cells, n_inputs, rng):
    stack = Stack(cells)
    weights = {key: rng.normal(size=shape) for key, shape in stack.weight_shapes(n_inputs).items()}
    return stack, weights


def run(stack, weights, x, sizes, state):
    bias = weights.get((0, "bias"), 0.0)
    tapes = stack.forward(x @ weights[0, "input"] + bias, sizes, state, weights)
    return tapes, np.concatenate([part for tape in tapes for part in (tape.hidden, tape.memory)], axis=1)


def test_each_layer_reads_the_one_below():
    shapes = Stack(CELLS).weight_shapes(5)
    assert shapes == {
        (0, "input"): (5, 8), (0, "recurrent"): (2, 8), (0, "bias"): (8,),
        (1, "input"): (2, 9), (1, "recurrent"): (3, 9), (1, "bias"): (9,),
        (2, "input"): (3, 2), (2, "recurrent"): (2, 2), (2, "bias"): (2,),
    }  # fmt: skip
    initial = Stack(CELLS).initial_weights(5, np.random.default_rng(0))
    assert {key: array.shape for key, array in initial.items()} == shapes


def test_a_state_splits_into_hidden_states_and_memories():
    stack = Stack(CELLS)
    assert stack.n_state == 2 + 2 + 3 + 2
    assert stack.n_outputs == 2
    parts = stack.split_state(np.arange(18).reshape(2, 9))
    assert [part.shape[1] for part in parts] == [2, 2, 3, 0, 2, 0]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), np.arange(18).reshape(2, 9))


def test_a_stack_is_its_layers_one_after_the_other(rng):
    stack, weights = random_stack(CELLS, 3, rng)
    x, sizes = rng.normal(size=(7, 3)), np.array([3, 2, 2])
    tapes, _ = run(stack, weights, x, sizes, np.zeros((3, stack.n_state)))
    for layer, cell in enumerate(CELLS):
        alone = {(0, name): weights[layer, name] for name in ("input", "recurrent", "bias")}
        (tape,), _ = run(Stack([cell]), alone, x, sizes, np.zeros((3, cell.n_hidden + cell.n_memory)))
        np.testing.assert_allclose(tapes[layer].hidden, tape.hidden, rtol=1e-13)
        x = tape.hidden


def test_a_run_can_be_cut_and_continued_from_its_state(rng):
    stack, weights = random_stack(CELLS, 3, rng)
    x, state = rng.normal(size=(10, 3)), rng.normal(size=(2, stack.n_state))
    _, whole = run(stack, weights, x, np.full(5, 2), state)
    _, first = run(stack, weights, x[:4], np.full(2, 2), state)
    _, second = run(stack, weights, x[4:], np.full(3, 2), first[-2:])
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=1e-13)


def test_a_ragged_batch_equals_one_sequence_at_a_time_forward_and_backward(rng):
    stack, weights = random_stack(CELLS, 3, rng)
    offsets = np.array([0, 2, 6, 7])
    x, d_top = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))

    def run_and_back(which):
        packing = Packing.of(offsets, np.array(which))
        state = np.zeros((len(which), stack.n_state))
        tapes, states = run(stack, weights, x[packing.rows], packing.sizes, state)
        gradient = {key: np.zeros_like(array) for key, array in weights.items()}
        d_projected = stack.backward(d_top[packing.rows], packing, tapes, weights, gradient)
        result = np.empty((7, states.shape[1])), np.empty((7, d_projected.shape[1]))
        result[0][packing.rows], result[1][packing.rows] = states, d_projected
        return *result, gradient

    states, d_projected, gradient = run_and_back([0, 1, 2])
    total = {key: np.zeros_like(array) for key, array in weights.items()}
    for n in range(3):
        own_states, own_d_projected, own_gradient = run_and_back([n])
        rows = slice(offsets[n], offsets[n + 1])
        np.testing.assert_allclose(own_states[rows], states[rows], rtol=1e-13)
        np.testing.assert_allclose(own_d_projected[rows], d_projected[rows], rtol=1e-12)
        for key, array in own_gradient.items():
            total[key] += array
    for key, array in gradient.items():
        np.testing.assert_allclose(array, total[key], rtol=1e-12, atol=1e-15)


def test_gradients_reach_the_recurrent_weights_through_a_given_state(rng):
    """The first step multiplies the state that the run starts from."""
    stack, weights = random_stack([GRU(2)], 1, rng)
    packing, state = Packing.of(np.array([0, 2]), np.array([0])), rng.normal(size=(1, 2))
    x, d_top, step = rng.normal(size=(2, 1)), rng.normal(size=(2, 2)), 1e-6
    tapes, _ = run(stack, weights, x, packing.sizes, state)
    gradient = {key: np.zeros_like(array) for key, array in weights.items()}
    stack.backward(d_top.copy(), packing, tapes, weights, gradient)
    for index in np.ndindex(2, 6):
        values = []
        for sign in (1, -1):
            shifted = dict(weights)
            shifted[0, "recurrent"] = weights[0, "recurrent"].copy()
            shifted[0, "recurrent"][index] += sign * step
            (tape,), _ = run(stack, shifted, x, packing.sizes, state)
            values.append((d_top * tape.hidden).sum())
        difference = (values[0] - values[1]) / (2 * step)
        assert gradient[0, "recurrent"][index] == pytest.approx(difference, rel=1e-6, abs=1e-9)
