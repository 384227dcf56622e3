"""One time step of an LSTM: with any activations, and without any one of its gates."""

from ...jit import inline
from .activations import ACTIVATIONS, identity

__all__ = ["GATES", "lstm_equations"]

GATES = "input_gate", "forget_gate", "output_gate"


def lstm_equations(gate="sigmoid", input="tanh", output="tanh", without=None):
    """Equations and derivative for :func:`~seqmodels.rnn.pointwise.pointwise`; arguments as those of `LSTM`."""
    squash, slope = ACTIVATIONS[gate]
    bend, bend_slope = ACTIVATIONS[input]
    read, read_slope = ACTIVATIONS[output]
    squash_i, squash_f, squash_o = (identity if without == name else squash for name in GATES)
    all_gates, present = _WITHOUT[without]

    def equations(inputs, recurrent, before, memory, weights):
        i, f, g, o = all_gates(inputs)
        i, f, g, o = squash_i(i), squash_f(f), bend(g), squash_o(o)
        new = f * memory[0] + i * g
        shown = read(new)
        return o * shown, (new,), present(i, f, g, o), (shown,)

    def derivative(d_hidden, d_memory, gates, saved, before, memory_before, weights):
        (i, f, g, o), (shown,) = all_gates(gates), saved
        d_new = read_slope(shown, d_hidden * o, d_memory[0])
        d = present(
            slope(i, d_new * g),
            slope(f, d_new * memory_before[0]),
            d_new * bend_slope(g, i),
            slope(o, d_hidden * shown),
        )
        return d, d, d_hidden - d_hidden, (d_new * f,)

    return equations, derivative


# Of each gate that may be missing: all four from those that are there, and those that are there from all four.


@inline
def _all(gates):
    return gates


@inline
def _present(i, f, g, o):
    return i, f, g, o


@inline
def _all_without_input(gates):
    return 1.0, gates[0], gates[1], gates[2]


@inline
def _present_without_input(i, f, g, o):
    return f, g, o


@inline
def _all_without_forget(gates):
    return gates[0], 1.0, gates[1], gates[2]


@inline
def _present_without_forget(i, f, g, o):
    return i, g, o


@inline
def _all_without_output(gates):
    return gates[0], gates[1], gates[2], 1.0


@inline
def _present_without_output(i, f, g, o):
    return i, f, g


_WITHOUT = {
    None: (_all, _present),
    "input_gate": (_all_without_input, _present_without_input),
    "forget_gate": (_all_without_forget, _present_without_forget),
    "output_gate": (_all_without_output, _present_without_output),
}
