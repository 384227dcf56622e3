"""What happens to the sequences of a shard, compiled as a whole: forward, output, backward, gradients."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..jit import APART, ARITHMETIC, inline_here, kernel
from ..products import add_outer, product
from .embedding import gather
from .layers import in_turn
from .packing import lay_out
from .units import add_rows, clear, spread

__all__ = ["Counts", "Output", "Passes", "Reading", "passes_of"]


class Reading(NamedTuple):
    """Sequences as a network reads and predicts them."""

    encoded: np.ndarray  # (M,) or (M, I) what stands before each observation
    values: np.ndarray  # (M, D) the observations
    offsets: np.ndarray  # (N + 1,)
    context: np.ndarray  # (N, C) what conditions each sequence, or (N, 0)
    codes: np.ndarray  # (M, K) which rows of the table are read too, side by side; (0,) where there is none
    table: np.ndarray  # (S, E) vectors of symbols; (0, 0) where there is none


class Counts(NamedTuple):
    """How often each observation counts in the loss."""

    counted: np.ndarray  # (M,), 0 where it is missing or merely given
    plain: bool  # whether all that are not missing count once


class Output(NamedTuple):
    """What stands above the layers, and room for a block of rows; R raw outputs, more columns to whole panels."""

    weight: np.ndarray  # (H, R) in panels
    transposed: np.ndarray  # (R, H) in panels
    bias: np.ndarray  # (1, R)
    n_raw: int
    constants: tuple  # what the family wants to know of the marginal
    raw: np.ndarray  # (n, R)
    terms: np.ndarray  # (n,)
    d_weight: np.ndarray  # (H, R)
    d_bias: np.ndarray  # (1, R)


class Passes(NamedTuple):
    """Kernels over whole shards."""

    forward: Callable
    """``forward(sizes, source, layers)``, from the state in the first rows of the tapes."""
    backward: Callable
    """``backward(batch, sizes, source, layers, gradients, nothing)``, once `d_hidden` of the top layer is there."""
    shard: Callable
    """``shard(reading, counts, which, batch, source, layers, output, gradients, nothing, state) -> log-likelihood``:
    all of an update but the steps of the weights. `gradients` is the memory of all gradients, `nothing` has no
    columns. Sequences start from `state` (n, U), where those after them are left, or from zero where it has no
    rows."""
    score: Callable
    """``score(reading, which, batch, source, n_held, layers, output, terms)``: the terms (M,) of some sequences, in
    windows of at most `n_held` rows, or one step."""


@functools.cache
def passes_of(kernels, compiled=None, family=""):
    """The kernels of a stack under a family.

    Parameters
    ----------
    kernels : tuple of Kernels
        Of the layers, from the bottom up.
    compiled : tuple of functions, optional
        Log density and gradient of a family that has them for kernels, see
        :class:`~seqmodels.emissions.base.Compiled`; without them, there is neither `shard` nor `score`.
    family : str
        Its name.
    """
    key = " / ".join([*(own.key for own in kernels), family])
    run, run_back, begin, carry, resume, leave = in_turn(kernels)

    @kernel(key=key, **ARITHMETIC)
    def forward(sizes, source, layers):
        run(sizes, source, 0, layers)

    @kernel(key=key, **ARITHMETIC)
    def backward(batch, sizes, source, layers, gradients, nothing):
        gradients[:] = 0
        run_back(batch, sizes, source, 0, layers, nothing)

    if compiled is None:
        return Passes(forward, backward, None, None)
    log_density, gradient = map(inline_here, compiled)
    above = above_layers(gradient, family)

    @kernel(key=key, **ARITHMETIC)
    def shard(reading, counts, which, batch, source, layers, output, gradients, nothing, state):
        n_rows, n_steps = lay_out(reading.offsets, which, batch)
        sizes = batch.sizes[:n_steps]
        _read(n_rows, reading.encoded, reading.codes, reading.table, batch.rows, 0, source)
        gradients[:] = 0
        if len(state) == 0:
            begin(len(which), layers)
        else:
            resume(state, 0, layers)
        run(sizes, source, 0, layers)
        if len(state) > 0:
            leave(sizes, n_rows, state, 0, layers)
        log_likelihood = above(n_rows, len(which), reading.values, counts, batch, layers[-1].tape, output)
        run_back(batch, sizes, source, 0, layers, nothing)
        return log_likelihood

    @kernel(key=key, **ARITHMETIC)
    def score(reading, which, batch, source, n_held, layers, output, terms):
        _, n_steps = lay_out(reading.offsets, which, batch)
        begin(len(which), layers)
        first = start = 0
        while start < n_steps:
            stop, end = start, first
            while stop < n_steps and (stop == start or end + batch.sizes[stop] - first <= n_held):
                end += batch.sizes[stop]
                stop += 1
            _read(end - first, reading.encoded, reading.codes, reading.table, batch.rows, first, source)
            run(batch.sizes[start:stop], source, 0, layers)
            B, hidden = batch.sizes[start], layers[-1].tape.hidden
            for row in range(first, end, len(output.raw)):
                n = min(len(output.raw), end - row)
                spread(n, output.bias, output.raw, 0)
                product(n, hidden.shape[1], hidden, B + row - first, output.weight, output.raw, 0)
                log_density(reading.values, batch.rows, row, n, output.raw, output.constants, output.terms)
                for i in range(n):
                    terms[batch.rows[row + i]] = output.terms[i]
            if stop < n_steps:
                carry(batch.sizes[stop], B + end - first - batch.sizes[stop - 1], layers)
            start, first = stop, end

    return Passes(forward, backward, shard, score)


def above_layers(gradient, key):
    """The log-likelihood above hidden states, and its gradients: blocks of rows that stay in cache."""

    @kernel(key=key, **APART)
    def above(n_rows, B, values, counts, batch, tape, output):
        hidden, d_hidden, raw, H = tape.passed, tape.d_hidden, output.raw, tape.passed.shape[1]
        log_likelihood = 0.0
        for first in range(0, n_rows, len(raw)):
            n = min(len(raw), n_rows - first)
            spread(n, output.bias, raw, 0)
            product(n, H, hidden, B + first, output.weight, raw, 0)
            gradient(values, batch.rows, first, n, raw, output.constants, output.terms)
            for i in range(n):
                if counts.plain:
                    log_likelihood += output.terms[i]
                else:
                    count = counts.counted[batch.rows[first + i]]
                    log_likelihood += count * output.terms[i]
                    for r in range(output.n_raw):
                        raw[i, r] *= count
            add_rows(n, raw, 0, output.d_bias)
            add_outer(n, H, hidden, batch.places, B + first, raw, 0, output.d_weight, 0, raw.shape[1])
            clear(first, first + n, d_hidden)
            product(n, output.n_raw, raw, 0, output.transposed, d_hidden, first)
        return log_likelihood

    return above


@inline_here
def _read(n, encoded, codes, table, rows, first, source):
    """Write to `source` what n rows from `first` on read."""
    if encoded.ndim == 1:
        for m in range(n):
            source[m] = encoded[rows[first + m]]
    else:
        for m in range(n):
            for j in range(encoded.shape[1]):  # the rest is padding
                source[m, j] = encoded[rows[first + m], j]
        if codes.ndim == 2:
            gather(n, codes, table, rows, first, encoded.shape[1], source)
