import numpy as np
import pytest

from seqmodels.products import padded
from seqmodels.rnn import GRU, LSTM, Elman
from seqmodels.rnn.layers import Stack
from seqmodels.rnn.packing import Arena, Batch, longest_first, measure, windows
from seqmodels.rnn.units import UNITS
from seqmodels.simd import panel_width

from .stacks import Driven

CELLS = [LSTM(2), GRU(3), Elman(2)]


def random_offsets(rng, n=9, longest=6):
    return np.concatenate([[0], np.cumsum(rng.integers(1, longest, n))])


# -------------------------------------------------------------------- batches


@pytest.mark.parametrize("which", [[0], [4, 2], [8, 7, 6, 5, 4, 3, 2, 1, 0], [3, 3]], ids=str)
def test_batch_invariants(which, rng):
    offsets, which = random_offsets(rng), np.array(which)
    lengths = np.diff(offsets)
    order = longest_first(offsets, which)
    sizes, rows, before, places = batch = Batch.of(offsets, order)
    assert sorted(order) == sorted(which)
    assert (np.diff(lengths[order]) <= 0).all()
    assert len(sizes) == lengths[which].max()
    assert (np.diff(sizes) <= 0).all() and sizes[0] == len(which)
    assert sizes.sum() == len(rows) == len(before) == lengths[which].sum()
    assert measure(offsets, order) == (len(rows), len(sizes), True)
    expected = np.sort(np.concatenate([np.arange(offsets[n], offsets[n + 1]) for n in which]))
    np.testing.assert_array_equal(np.sort(rows), expected)
    np.testing.assert_array_equal(places[: len(which) + len(rows)], np.arange(len(which) + len(rows)))
    first = 0
    for t, size in enumerate(sizes):  # rows of one step: the sequences that still run, longest first
        np.testing.assert_array_equal(rows[first : first + size], offsets[order[:size]] + t)
        first += size
    np.testing.assert_array_equal(before[: len(which)], np.arange(len(which)))  # the rows of the start, in front
    np.testing.assert_array_equal(rows[before[len(which) :] - len(which)] + 1, rows[len(which) :])
    np.testing.assert_array_equal(rows[batch.last], offsets[order + 1] - 1)


def test_sequences_of_one_length_keep_their_order():
    offsets = np.array([0, 2, 4, 7, 9])
    which = longest_first(offsets, np.array([3, 0, 2, 1]))
    batch = Batch.of(offsets, which)
    np.testing.assert_array_equal(which, [2, 3, 0, 1])
    np.testing.assert_array_equal(batch.rows, [4, 7, 0, 2, 5, 8, 1, 3, 6])
    np.testing.assert_array_equal(batch.sizes, [4, 4, 1])
    np.testing.assert_array_equal(batch.before, [0, 1, 2, 3, 4, 5, 6, 7, 8])
    np.testing.assert_array_equal(batch.last, [8, 5, 6, 7])


@pytest.mark.parametrize("n_rows", [1, 2, 3, 4, 5, 7, 100])
def test_windows_follow_each_other_and_hold_as_many_rows_as_they_may(n_rows):
    sizes = np.array([3, 3, 2, 1, 1, 1])
    steps, rows = zip(*windows(sizes, n_rows), strict=True)
    assert [own.start for own in steps] == [0, *(own.stop for own in steps[:-1])] and steps[-1].stop == 6
    assert [own.start for own in rows] == [0, *(own.stop for own in rows[:-1])] and rows[-1].stop == 11
    for step, row in zip(steps, rows, strict=True):
        assert row.stop - row.start == sizes[step].sum()
        assert row.stop - row.start <= n_rows or step.stop - step.start == 1


# -------------------------------------------------------------------- stacks


def driven(cells, n_inputs, rng):
    shapes = Stack(cells).weight_shapes(n_inputs)
    return Driven(cells, {key: rng.normal(size=shape) for key, shape in shapes.items()})


def run(stack, x, sizes, state=None):
    """Hidden states and memories (M, U) of all layers, given inputs (M, I)."""
    stack.forward(x @ stack.weights[0, "input"] + stack.weights.get((0, "bias"), 0.0), sizes, state)
    return stack.states()


def test_each_layer_reads_the_one_below():
    shapes = Stack(CELLS).weight_shapes(5)
    assert shapes == {
        (0, "input"): (5, 8), (0, "recurrent"): (2, 8), (0, "bias"): (8,),
        (1, "input"): (2, 9), (1, "recurrent"): (3, 9), (1, "bias"): (9,),
        (1, "candidate_bias"): (3,),
        (2, "input"): (3, 2), (2, "recurrent"): (2, 2), (2, "bias"): (2,),
    }  # fmt: skip
    initial = Stack(CELLS).initial_weights(5, np.random.default_rng(0))
    assert {key: array.shape for key, array in initial.items()} == shapes


def test_a_state_splits_into_hidden_states_and_memories_as_wide_as_they_are_inside():
    stack = Stack(CELLS)
    assert stack.n_state == 4 * UNITS
    assert stack.n_outputs == UNITS
    state = np.arange(8.0 * UNITS).reshape(2, -1)
    parts = stack.split_state(state)
    assert [part.shape[1] for part in parts] == [UNITS, UNITS, UNITS, 0, UNITS, 0]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), state)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("H", [1, 15, 16, 17, 32, 33])
def test_inside_layers_are_as_wide_as_whole_vectors_and_gradients_as_whole_panels(H, dtype):
    stack = Stack([LSTM(H), GRU(2)])
    W = {1: 16, 15: 16, 16: 16, 17: 32, 32: 32, 33: 48}[H]
    assert stack.wide == [W, 16]
    first, second = (padded(n, panel_width(dtype)) for n in (4 * W, 48))
    shapes = {
        (0, "input"): (8, first), (0, "bias"): (1, first), (0, "recurrent"): (W, first),
        (1, "input"): (W, second), (1, "bias"): (1, second), (1, "recurrent"): (16, second),
        (1, "candidate_bias"): (1, padded(16, panel_width(dtype))),
    }  # fmt: skip
    assert stack.gradient_shapes(5, False, dtype) == shapes
    assert stack.gradient_shapes(5, True, dtype) == shapes | {(0, "input"): (5, 4 * H)}
    assert stack.cells[0].n_hidden == H


def test_a_stack_is_its_layers_one_after_the_other(rng):
    stack = driven(CELLS, 3, rng)
    x, sizes = rng.normal(size=(7, 3)), np.array([3, 2, 2])
    found = stack.forward(x @ stack.weights[0, "input"] + stack.weights[0, "bias"], sizes)
    for layer, cell in enumerate(CELLS):
        alone = Driven([cell], {(0, name): array for (other, name), array in stack.weights.items() if other == layer})
        (own,) = alone.forward(x @ alone.weights[0, "input"] + alone.weights[0, "bias"], sizes)
        np.testing.assert_allclose(found[layer].hidden, own.hidden, rtol=1e-13)
        np.testing.assert_allclose(found[layer].memory, own.memory, rtol=1e-13)
        x = own.hidden


def test_a_run_can_be_cut_and_continued_from_its_state(rng):
    stack = driven(CELLS, 3, rng)
    x, state = rng.normal(size=(10, 3)), rng.normal(size=(2, stack.n_state))
    whole = run(stack, x, np.full(5, 2), state)
    first = run(stack, x[:4], np.full(2, 2), state)
    second = run(stack, x[4:], np.full(3, 2), first[-2:])
    np.testing.assert_allclose(np.concatenate([first, second]), whole, rtol=1e-13)


def test_a_ragged_batch_equals_one_sequence_at_a_time_forward_and_backward(rng):
    stack = driven(CELLS, 3, rng)
    offsets = np.array([0, 2, 6, 7])
    x, d_top = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))

    def run_and_back(which):
        batch = Batch.of(offsets, longest_first(offsets, np.array(which)))
        states = run(stack, x[batch.rows], batch.sizes)
        d_projected, gradient = stack.backward(d_top[batch.rows], batch)
        result = np.empty((7, states.shape[1])), np.empty((7, d_projected.shape[1]))
        result[0][batch.rows], result[1][batch.rows] = states, d_projected
        return *result, gradient

    states, d_projected, gradient = run_and_back([0, 1, 2])
    total = {key: np.zeros_like(array) for key, array in gradient.items()}
    for n in range(3):
        own_states, own_d_projected, own_gradient = run_and_back([n])
        rows = slice(offsets[n], offsets[n + 1])
        np.testing.assert_allclose(own_states[rows], states[rows], rtol=1e-13)
        np.testing.assert_allclose(own_d_projected[rows], d_projected[rows], rtol=1e-12)
        for key, array in own_gradient.items():
            total[key] += array
    assert total.keys() == stack.weights.keys() - {(0, "input")}
    for key, array in gradient.items():
        np.testing.assert_allclose(array, total[key], rtol=1e-12, atol=1e-15)


def test_gradients_reach_the_recurrent_weights_through_a_given_state(rng):
    """The first step multiplies the state that the run starts from."""
    stack = driven([GRU(2)], 1, rng)
    batch, state = Batch.of(np.array([0, 2]), np.array([0])), rng.normal(size=(1, 2))
    x, d_top, step = rng.normal(size=(2, 1)), rng.normal(size=(2, 2)), 1e-6
    run(stack, x, batch.sizes, state)
    _, gradient = stack.backward(d_top, batch)
    for index in np.ndindex(2, 6):
        values = []
        for sign in (1, -1):
            shifted = {key: array.copy() for key, array in stack.weights.items()}
            shifted[0, "recurrent"][index] += sign * step
            values.append((d_top * run(Driven([GRU(2)], shifted), x, batch.sizes, state)).sum())
        difference = (values[0] - values[1]) / (2 * step)
        assert gradient[0, "recurrent"][index] == pytest.approx(difference, rel=1e-6, abs=1e-9)


# -------------------------------------------------------------------- memory that is used again


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_arena_gives_the_same_memory_again_where_it_is_enough(dtype):
    arena = Arena()
    first = arena.array("a", (3, 4), dtype)
    assert first.dtype == dtype
    assert np.shares_memory(arena.array("a", (2, 6), dtype), first)
    assert np.shares_memory(arena.array("a", (5,), dtype), first)
    assert not np.shares_memory(arena.array("b", (3, 4), dtype), first)
    larger = arena.array("a", (4, 4), dtype)
    assert not np.shares_memory(larger, first)
    assert np.shares_memory(arena.array("a", (3, 4), dtype), larger)
    other = {"float32": "float64", "float64": "float32"}[dtype]
    assert arena.array("a", (2, 2), other).dtype == other
    assert arena.array("nothing", (3, 0), dtype).shape == (3, 0)


def test_what_is_made_of_a_vector_is_done_again_and_made_once():
    arena, made = Arena(), []

    def make(vector, calls):
        made.append(vector)
        twice = np.empty_like(vector)
        calls.append((np.multiply, (vector, 2, twice)))
        return twice

    first, second = np.ones(2), np.full(2, 5.0)
    twice = arena.of(first, make)
    np.testing.assert_array_equal(twice, 2)
    first[:] = 3
    assert arena.of(first, make) is twice
    np.testing.assert_array_equal(twice, 6)
    np.testing.assert_array_equal(arena.of(second, make), 10)
    assert len(made) == 2
