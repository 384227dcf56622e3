"""The loop over time, driven directly with small steps whose answers are plain."""

import pathlib
import zlib
from typing import NamedTuple

import numpy as np
import pytest

from seqmodels.products import pack, padded, panels_for
from seqmodels.rnn.cells.base import RecurrentWeights, packed_both_ways
from seqmodels.rnn.packing import Arena
from seqmodels.rnn.recurrence import UNITS, pointwise, unroll
from seqmodels.simd import panel_width

SIZES = np.array([3, 2, 2, 1])  # three sequences of 4, 3 and 1 steps
ROWS = [np.array(rows) for rows in ([0, 3, 5, 7], [1, 4, 6], [2])]  # of each sequence
M, H = 8, UNITS

# the disk cache knows the sources of the package, but not this one
VERSION = zlib.crc32(pathlib.Path(__file__).read_bytes())


def leaky_sum(inputs, recurrent, before, memory):
    """h = 0.5 h_before + input + product, and a memory that counts steps."""
    return inputs[0] + recurrent[0] + 0.5 * before, memory + 1.0, (inputs[0],), (before,)


def leaky_sum_derivative(d_hidden, d_memory, gates, saved, before, memory_before):
    return (d_hidden,), (d_hidden,), 0.5 * d_hidden, d_memory


def leaky_kernels():
    return unroll(*pointwise(leaky_sum, leaky_sum_derivative, 1, 1, has_memory=True), key=f"leaky, test {VERSION}")


def packed(recurrent):
    """Square weights and their transpose in panels."""
    return RecurrentWeights(*packed_both_ways(recurrent, Arena(), True, "recurrent"))


class Arguments(NamedTuple):
    """Of forward, in their order."""

    sizes: np.ndarray
    table: np.ndarray
    rows: np.ndarray
    weights: tuple
    hidden: np.ndarray
    memory: np.ndarray
    gates: np.ndarray
    saved: np.ndarray
    scratch: np.ndarray

    @property
    def found(self):
        """Hidden states and memories (M, H), without those of the start."""
        return self.hidden[self.sizes[0] :], self.memory[self.sizes[0] :]

    def back(self, d_hidden, d_recurrent):
        """The arguments of backward."""
        d_later, d_memory = np.zeros_like(self.scratch), np.zeros((self.sizes[0], H), d_hidden.dtype)
        tape = self.weights, self.hidden, self.memory, self.gates, self.saved
        return self.sizes, d_hidden, d_later, d_memory, *tape, d_recurrent, self.scratch


def arguments(table, rows, sizes, start, memory_start, recurrent, n_saved):
    """With room for what is found, and for a product with the weights."""
    dtype, after = table.dtype, np.full((len(rows), H), np.nan, table.dtype)
    gates, saved = after.copy(), np.full((len(rows), n_saved * H), np.nan, dtype)
    scratch = np.full((sizes[0], padded(H, panel_width(dtype))), np.nan, dtype)
    states = [np.concatenate([before, after]) for before in (start, memory_start)]
    return Arguments(sizes, table, rows, packed(recurrent), *states, gates, saved, scratch)


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
            np.testing.assert_array_equal(passed.gates[row], passed.table[passed.rows[row]])
            assert_close(hidden[row], passed.table[passed.rows[row]] + h @ recurrent + 0.5 * h)
            np.testing.assert_array_equal(memory[row], t + 1)
            h = hidden[row]
    np.testing.assert_array_equal(passed.hidden[:3], start)


def test_to_follow_is_to_go_forward_without_a_tape(leaky, rng):
    passed, recurrent = leaky
    J, dtype = 3 * panel_width(recurrent.dtype), recurrent.dtype
    matrix, bias = rng.normal(size=(H, J)).astype(dtype), rng.normal(size=(1, J)).astype(dtype)
    above, out = panels_for(H, J, dtype), np.full((M, J), np.nan, dtype)
    pack(matrix, np.arange(J), above)
    kernels = leaky_kernels()
    hidden, memory = (np.concatenate([part[:3], np.full_like(part[:3], np.nan)]) for part in passed[4:6])
    gates, saved = np.full((2, 3, H), np.nan, dtype)
    kernels.follow(*passed[:4], hidden, memory, gates, saved, passed.scratch, above, bias, out)
    kernels.forward(*passed)
    own_hidden, own_memory = passed.found
    assert_close(out, own_hidden @ matrix + bias)
    np.testing.assert_array_equal(hidden[0], own_hidden[-1])  # after an even number of steps, in the first rows
    np.testing.assert_array_equal(memory[0], own_memory[-1])


def test_gradients_run_back_along_each_sequence(leaky, rng):
    passed, recurrent = leaky
    leaky_kernels().forward(*passed)
    d_above = rng.normal(size=(M, H)).astype(recurrent.dtype)
    given = passed.back(d_above.copy(), passed.gates)  # inputs and products enter as a sum
    leaky_kernels().backward(*given)
    _, d_hidden, d_later, *_ = given
    onward = (recurrent + 0.5 * np.eye(H)).T
    for n, own_rows in enumerate(ROWS):
        d = np.zeros(H)
        for row in own_rows[::-1]:
            d = d_above[row] + d @ onward
            assert_close(passed.gates[row], d)
        assert_close(d_later[n, :H], 0.5 * d)  # of the state to start from, without what came by the product
    np.testing.assert_array_equal(d_hidden, d_above)


def test_gradients_run_back_along_the_memory():
    def equations(inputs, recurrent, before, memory):
        new = memory * inputs[0]
        return new, new, (inputs[0],), ()

    def derivative(d_hidden, d_memory, gates, saved, before, memory_before):
        d = d_hidden + d_memory
        return (d * memory_before,), (0 * d,), 0 * d, d * gates[0]

    steps = pointwise(equations, derivative, 1, has_memory=True, additive=False)
    kernels = unroll(*steps, key=f"running product, test {VERSION}")
    scales = np.arange(1.0, H + 1)
    table = np.array([2.0, 3.0, 5.0, 7.0])[:, None] * scales
    sizes, nothing = np.ones(4, dtype=np.int64), np.zeros((1, H))
    passed = arguments(table, np.arange(4), sizes, nothing, 11 * scales[None], np.zeros((H, H)), 0)
    kernels.forward(*passed)
    np.testing.assert_array_equal(passed.found[0], 11 * scales * np.cumprod(table, axis=0))
    d_hidden, d_recurrent = np.array([0.0, 0.0, 0.0, 1.0])[:, None] * np.ones(H), np.full((4, H), np.nan)
    given = passed.back(d_hidden, d_recurrent)
    kernels.backward(*given)
    _, _, _, d_memory, *_ = given
    np.testing.assert_allclose(passed.gates, 11 * 2 * 3 * 5 * 7 * scales**5 / table)
    np.testing.assert_array_equal(d_recurrent, 0)
    np.testing.assert_allclose(d_memory, [2 * 3 * 5 * 7 * scales**4])  # of the memory to start from
