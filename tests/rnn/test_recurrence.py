"""The loop over time, driven directly with small steps whose answers are plain."""

import pathlib
import zlib
from typing import NamedTuple

import numpy as np
import pytest

from seqmodels.products import pack, padded, panels_for
from seqmodels.rnn.cells.base import RecurrentWeights
from seqmodels.rnn.recurrence import UNITS, pointwise, unroll
from seqmodels.simd import panel_width

SIZES = np.array([3, 2, 2, 1])  # three sequences of 4, 3 and 1 steps
ROWS = [np.array(rows) for rows in ([0, 3, 5, 7], [1, 4, 6], [2])]  # of each sequence
M, H = 8, UNITS

# the disk cache knows the sources of the package, but not this one
VERSION = zlib.crc32(pathlib.Path(__file__).read_bytes())


def leaky_sum(inputs, recurrent, before, memory):
    """h = 0.5 h_before + input + product, and a memory that counts steps."""
    return inputs[0] + recurrent[0] + 0.5 * before, memory + 1.0, (before,)


def leaky_sum_derivative(d_hidden, d_memory, saved, before, memory_before, hidden):
    return (d_hidden,), (d_hidden,), 0.5 * d_hidden, d_memory


def leaky_kernels():
    return unroll(*pointwise(leaky_sum, leaky_sum_derivative, 1, 1, True), key=f"leaky sum, test {VERSION}")


def packed(recurrent):
    """Square weights and their transpose in panels."""
    panels = [panels_for(*recurrent.shape, recurrent.dtype) for _ in range(2)]
    pack(recurrent, panels[0])
    pack(np.ascontiguousarray(recurrent.T), panels[1])
    return RecurrentWeights(*panels)


class Arguments(NamedTuple):
    """Of forward, in their order."""

    sizes: np.ndarray
    table: np.ndarray
    rows: np.ndarray
    weights: tuple
    hidden: np.ndarray
    memory: np.ndarray
    saved: np.ndarray
    scratch: np.ndarray

    @property
    def found(self):
        """Hidden states and memories (M, H), without those of the start."""
        return self.hidden[self.sizes[0] :], self.memory[self.sizes[0] :]

    def back(self, d_hidden):
        """The arguments of backward."""
        d_later, d_memory = np.zeros_like(self.scratch), np.zeros((self.sizes[0], H), d_hidden.dtype)
        tape, room = (self.weights, self.hidden, self.memory, self.saved), np.empty_like(d_hidden)
        return self.sizes, d_hidden, d_later, d_memory, *tape, room, room.copy(), self.scratch


def arguments(table, rows, sizes, start, memory_start, recurrent, n_saved):
    """With room for what is found, and for a product with the weights."""
    dtype, after = table.dtype, np.full((len(rows), H), np.nan, table.dtype)
    saved = np.full((len(rows), n_saved * H), np.nan, dtype)
    scratch = np.full((sizes[0], padded(H, panel_width(dtype))), np.nan, dtype)
    states = [np.concatenate([before, after]) for before in (start, memory_start)]
    return Arguments(sizes, table, rows, packed(recurrent), *states, saved, scratch)


@pytest.fixture(params=["float32", "float64"])
def leaky(request, rng):
    """Arguments of the leaky sum, whose sequences read any rows of a table; and its weights."""
    recurrent = rng.normal(size=(H, H), scale=H**-0.5).astype(request.param)
    table, start = (rng.normal(size=(n, H)).astype(request.param) for n in (5, 3))
    rows = rng.integers(5, size=M)
    return arguments(table, rows, SIZES, start, np.zeros_like(start), recurrent, 1), recurrent


def assert_close(own, expected):
    np.testing.assert_allclose(own, expected, rtol=0, atol=20 * np.finfo(own.dtype).eps * np.abs(expected).max())


def test_each_sequence_runs_on_its_own_rows(leaky):
    passed, recurrent = leaky
    start = passed.hidden[:3].copy()
    leaky_kernels().forward(*passed)
    hidden, memory = passed.found
    for n, own_rows in enumerate(ROWS):
        h = start[n]
        for t, row in enumerate(own_rows):
            np.testing.assert_array_equal(passed.saved[row], h)
            assert_close(hidden[row], passed.table[passed.rows[row]] + h @ recurrent + 0.5 * h)
            np.testing.assert_array_equal(memory[row], t + 1)
            h = hidden[row]
    np.testing.assert_array_equal(passed.hidden[:3], start)


def test_to_follow_is_to_go_forward_without_a_tape(leaky, rng):
    passed, recurrent = leaky
    J, dtype = 3 * panel_width(recurrent.dtype), recurrent.dtype
    matrix, bias = rng.normal(size=(H, J)).astype(dtype), rng.normal(size=J).astype(dtype)
    above, out = panels_for(H, J, dtype), np.full((M, J), np.nan, dtype)
    pack(matrix, above)
    kernels = leaky_kernels()
    hidden, memory = (np.concatenate([part[:3], np.full_like(part[:3], np.nan)]) for part in passed[4:6])
    saved = np.full((3, H), np.nan, dtype)
    kernels.follow(*passed[:4], hidden, memory, saved, passed.scratch, above, bias, out)
    kernels.forward(*passed)
    own_hidden, own_memory = passed.found
    assert_close(out, own_hidden @ matrix + bias)
    np.testing.assert_array_equal(hidden[0], own_hidden[-1])  # after an even number of steps, in the first rows
    np.testing.assert_array_equal(memory[0], own_memory[-1])


def test_gradients_run_back_along_each_sequence(leaky, rng):
    passed, recurrent = leaky
    leaky_kernels().forward(*passed)
    d_above = rng.normal(size=(M, H)).astype(recurrent.dtype)
    given = passed.back(d_above.copy())
    leaky_kernels().backward(*given)
    _, d_hidden, d_later, *_, d_inputs, d_recurrent, _ = given
    onward = (recurrent + 0.5 * np.eye(H)).T
    for n, own_rows in enumerate(ROWS):
        d = np.zeros(H)
        for row in own_rows[::-1]:
            d = d_above[row] + d @ onward
            assert_close(d_inputs[row], d)
        assert_close(d_later[n, :H], d @ onward)  # that of the state to start from
    np.testing.assert_array_equal(d_inputs, d_recurrent)
    np.testing.assert_array_equal(d_hidden, d_above)


def test_gradients_run_back_along_the_memory():
    def equations(inputs, recurrent, before, memory):
        new = memory * inputs[0]
        return new, new, ()

    def derivative(d_hidden, d_memory, saved, before, memory_before, hidden):
        d = d_hidden + d_memory
        return (d * memory_before,), (0 * d,), 0 * d, d * (hidden / memory_before)

    kernels = unroll(*pointwise(equations, derivative, 1, 0, True), key=f"running product, test {VERSION}")
    scales = np.arange(1.0, H + 1)
    table = np.array([2.0, 3.0, 5.0, 7.0])[:, None] * scales
    sizes, nothing = np.ones(4, dtype=np.int64), np.zeros((1, H))
    passed = arguments(table, np.arange(4), sizes, nothing, 11 * scales[None], np.zeros((H, H)), 0)
    kernels.forward(*passed)
    np.testing.assert_array_equal(passed.found[0], 11 * scales * np.cumprod(table, axis=0))
    given = passed.back(np.array([0.0, 0.0, 0.0, 1.0])[:, None] * np.ones(H))
    kernels.backward(*given)
    *_, d_inputs, _, _ = given
    np.testing.assert_allclose(d_inputs, 11 * 2 * 3 * 5 * 7 * scales**5 / table)
    np.testing.assert_allclose(given[3], [2 * 3 * 5 * 7 * scales**4])  # of the memory to start from
