"""Long short-term memory, with a forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000)."""

import functools

from ..pointwise import pointwise
from ..recurrence import unroll
from .activations import ACTIVATIONS
from .base import Cell
from .gate_recurrence import gate_recurrence_axes, with_gate_recurrence, with_gates_packed
from .lstm_equations import GATES, lstm_equations

__all__ = ["LSTM"]


class LSTM(Cell):
    """Units with a memory that gates write to, keep and read.

    ``i, f, o = sigmoid(...)``, ``g = tanh(...)``, each of ``x W_x + h_before W_h + b``;
    ``memory = f memory_before + i g``; ``h = o tanh(memory)``. Gates stand in PyTorch's order: i, f, g, o.

    Parameters
    ----------
    n_hidden : int
        The number H of units.
    bias : bool
    forget_bias : float
        What the forget gate's bias starts at; 1 lets a new network remember (Jozefowicz et al. 2015).
    gate_activation : {"sigmoid", "hard_sigmoid"}
        The function of the gates; the hard one is PyTorch's ``x / 6 + 1 / 2`` between 0 and 1.
    input_activation, output_activation : {"tanh", "sigmoid", "relu", "identity"}
        The functions of g and of the memory that is read. With "identity", these are the variants NIAF and NOAF
        of Greff et al. (2015).
    without : {None, "input_gate", "forget_gate", "output_gate"}
        A gate that is always open and has no weights: NIG, NFG and NOG of Greff et al. Without the forget gate, it
        is the LSTM of 1997.
    full_gate_recurrence : bool
        Whether i, f and o also see all three of them one step before, through weights "gate_recurrent" (3 H, 3 H):
        FGR of Greff et al., as in the LSTM of 1997.
    init : {"uniform", "glorot", "orthogonal", "sparse"}
        What weights start from, see :class:`Cell`.
    """

    n_saved = 1

    def __init__(
        self,
        n_hidden=64,
        bias=True,
        forget_bias=1.0,
        *,
        gate_activation="sigmoid",
        input_activation="tanh",
        output_activation="tanh",
        without=None,
        full_gate_recurrence=False,
        init="uniform",
    ):
        self.n_hidden = n_hidden
        self.bias = bias
        self.forget_bias = forget_bias
        self.gate_activation = gate_activation
        self.input_activation = input_activation
        self.output_activation = output_activation
        self.without = without
        self.full_gate_recurrence = full_gate_recurrence
        self.init = init

    @property
    def n_gates(self):
        return 4 if self.without is None else 3

    @property
    def n_memories(self):
        return 4 if self.full_gate_recurrence else 1

    @property
    def forget_gate(self):
        return {"input_gate": 0, "forget_gate": None}.get(self.without, 1)

    def check(self):
        super().check()
        self.check_choice("gate_activation", ("sigmoid", "hard_sigmoid"))
        for name in ("input_activation", "output_activation"):
            self.check_choice(name, ("tanh", "sigmoid", "relu", "identity"))
        self.check_choice("without", (None, *GATES))
        if self.full_gate_recurrence and self.without is not None:
            raise ValueError(f"full_gate_recurrence needs all gates, and without is {self.without!r}; None is accepted")

    def recurrent_axes(self):
        return super().recurrent_axes() | (gate_recurrence_axes(self.n_hidden) if self.full_gate_recurrence else {})

    def packed(self, weights, width, derivative, calls):
        own = super().packed(weights, width, derivative, calls)
        return with_gates_packed(own, weights, self, derivative, calls) if self.full_gate_recurrence else own

    def kernels(self):
        functions = self.gate_activation, self.input_activation, self.output_activation
        return _kernels(*functions, self.without, bool(self.full_gate_recurrence))


@functools.cache
def _kernels(gate, input, output, without, full):
    equations, derivative = lstm_equations(gate, input, output, without)
    key = f"LSTM {gate} {input} {output} without {without}"
    if full:
        return with_gate_recurrence(equations, derivative, ACTIVATIONS[gate].slope, key)
    return unroll(*pointwise(equations, derivative, 4 if without is None else 3, LSTM.n_saved, n_memories=1), key)
