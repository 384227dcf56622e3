"""Gated recurrent units, in both of their published forms."""

import functools
from typing import NamedTuple

import numpy as np

from ..recurrence import add_product, pointwise, sigmoid, tanh, unroll
from .base import Cell

__all__ = ["GRU"]


class GRU(Cell):
    """Units that interpolate between what they hold and a candidate. Gates stand in the order r, z, n.

    ``r, z = sigmoid(x W_x + h_before W_h + b)``; then, with the reset after the product (PyTorch, cuDNN),
    ``n = tanh(x W_xn + b_n + r (h_before W_hn))`` and ``h = (1 - z) n + z h_before``; with the reset before the
    product (Cho et al. 2014; z as in Chung et al. 2014), ``n = tanh(x W_xn + b_n + (r h_before) W_hn)`` and
    ``h = (1 - z) h_before + z n``. Mind that z keeps in the one and replaces in the other.

    Parameters
    ----------
    n_hidden : int
        The number H of units.
    reset : {"after", "before"}
        Whether the reset gate acts after or before the recurrent product of the candidate.
    bias : bool
    """

    n_gates = 3
    n_saved = 4

    def __init__(self, n_hidden=64, reset="after", bias=True):
        self.n_hidden = n_hidden
        self.reset = reset
        self.bias = bias

    def check(self):
        super().check()
        if self.reset not in ("after", "before"):
            raise ValueError(f"reset is {self.reset!r}; 'after' and 'before' are accepted")

    @property
    def additive(self):
        """With the reset after the product, the candidate's product is scaled before it is added."""
        return self.reset == "before"

    def kernels(self):
        return _reset_after() if self.reset == "after" else _reset_before()

    def packed(self, recurrent):
        if self.reset == "after":
            return super().packed(recurrent)
        gates, candidate = np.split(recurrent, [2 * self.n_hidden], axis=1)
        return SplitWeights(*(np.ascontiguousarray(part) for part in (gates, gates.T, candidate, candidate.T)))

    def recurrent_gradient(self, before, saved, d_recurrent):
        if self.reset == "after":
            return super().recurrent_gradient(before, saved, d_recurrent)
        H = self.n_hidden
        of_gates = before.T @ d_recurrent[:, : 2 * H]
        of_candidate = saved[:, 3 * H :].T @ d_recurrent[:, 2 * H :]
        return np.concatenate([of_gates, of_candidate], axis=1)


class SplitWeights(NamedTuple):
    """Recurrent weights of the two gates and of the candidate, which multiply different things."""

    gates: np.ndarray  # (H, 2 H)
    gates_transposed: np.ndarray  # (2 H, H)
    candidate: np.ndarray  # (H, H)
    candidate_transposed: np.ndarray  # (H, H)


# -------------------------------------------------------------------- the reset after the product


def equations(inputs, recurrent, before, memory):
    r = sigmoid(inputs[0] + recurrent[0])
    z = sigmoid(inputs[1] + recurrent[1])
    n = tanh(inputs[2] + r * recurrent[2])
    return n + z * (before - n), memory, (r, z, n, recurrent[2])


def derivative(d_hidden, d_memory, saved, before, memory_before, hidden):
    r, z, n, product = saved
    d_n = d_hidden - d_hidden * z
    d_n = d_n - d_n * n * n
    d_z = d_hidden * (before - n) * (z - z * z)
    d_r = d_n * product * (r - r * r)
    return (d_r, d_z, d_n), (d_r, d_z, d_n * r), d_hidden * z, d_memory


@functools.cache
def _reset_after():
    return unroll(*pointwise(equations, derivative, GRU.n_gates, GRU.n_saved, False), key="GRU after")


# -------------------------------------------------------------------- the reset before the product


def step(inputs, before, memory_before, weights, hidden, memory, saved):
    B, H = hidden.shape
    gates = np.zeros((B, 2 * H), dtype=inputs.dtype)
    add_product(before, weights.gates, gates)
    reset = np.empty_like(before)
    for b in range(B):
        for h in range(H):
            saved[b, h] = sigmoid(inputs[b, h] + gates[b, h])  # r
            saved[b, H + h] = sigmoid(inputs[b, H + h] + gates[b, H + h])  # z
            reset[b, h] = saved[b, h] * before[b, h]
            saved[b, 3 * H + h] = reset[b, h]
    product = np.zeros_like(before)
    add_product(reset, weights.candidate, product)
    for b in range(B):
        for h in range(H):
            n = tanh(inputs[b, 2 * H + h] + product[b, h])
            saved[b, 2 * H + h] = n
            hidden[b, h] = before[b, h] + saved[b, H + h] * (n - before[b, h])


def step_backward(
    d_hidden, d_memory, before, memory_before, weights, hidden, memory, saved, d_inputs, d_recurrent, d_before
):
    B, H = hidden.shape
    d_candidate = np.empty_like(before)
    for b in range(B):
        for h in range(H):
            z, n = saved[b, H + h], saved[b, 2 * H + h]
            d = d_hidden[b, h]
            d_candidate[b, h] = d * (z - z * n * n)
            d_inputs[b, H + h] = d * (n - before[b, h]) * (z - z * z)
            d_before[b, h] += d - d * z
    d_reset = np.zeros_like(before)
    add_product(d_candidate, weights.candidate_transposed, d_reset)
    d_gates = np.empty((B, 2 * H), dtype=d_inputs.dtype)
    for b in range(B):
        for h in range(H):
            r = saved[b, h]
            d_inputs[b, h] = d_reset[b, h] * before[b, h] * (r - r * r)
            d_inputs[b, 2 * H + h] = d_candidate[b, h]
            d_before[b, h] += d_reset[b, h] * r
            d_gates[b, h], d_gates[b, H + h] = d_inputs[b, h], d_inputs[b, H + h]
    add_product(d_gates, weights.gates_transposed, d_before)


@functools.cache
def _reset_before():
    return unroll(step, step_backward, key="GRU before")
