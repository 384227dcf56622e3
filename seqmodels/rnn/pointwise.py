"""Cells whose equations hold for each unit by itself, once the products are known."""

from ..jit import inline_here
from ..products import add_panel
from ..simd import load, store
from .dropout import recall_backward
from .units import READ, UNITS, WRITE, clear, units_in_block

__all__ = ["on_units", "pointwise"]


def pointwise(equations, derivative, n_gates, n_saved=0, n_memories=0, n_vectors=0, additive=True):
    """Steps of a cell with one recurrent product, and equations that hold for each unit by itself.

    Parameters
    ----------
    equations : function
        ``equations(inputs, recurrent, before, memory, weights) -> hidden, memory, gates, saved``: `before` and
        `hidden` are vectors of units, all others tuples of them: `inputs`, `recurrent` and `gates` one a gate,
        `memory` one of `n_memories`, `saved` of `n_saved`, `weights` those that each unit has for itself. Where the
        cell is additive, the inputs include the recurrent products, and `recurrent` holds zeros.
    derivative : function
        ``derivative(d_hidden, d_memory, gates, saved, before, memory_before, weights) -> d_inputs, d_recurrent,
        d_before, d_memory_before``, the first two one vector a gate.
    n_gates, n_saved : int
    n_memories : int
        What the cell keeps beside its hidden state.
    n_vectors : int
        Weights that each unit has for itself; their gradients are for the cell's `weigh_recurrent`.
    additive : bool
        Whether inputs and recurrent products enter as a sum only, so that `d_inputs` and `d_recurrent` are the
        same.

    Returns
    -------
    step, step_backward : functions for :func:`~seqmodels.rnn.recurrence.unroll`; the recurrent weights have the
        fields `recurrent` (H, G H), its columns in the order of :func:`~seqmodels.rnn.units.in_blocks`, and
        `transposed` (G H, H), both in panels, and `vectors` (1, H times their number).
    """
    forward, backward = on_units(equations, derivative, n_gates, n_saved, n_memories, n_vectors, additive)

    def step(n, first, before, after, weights, tape):
        recurrent, recalled, gates, scratch = weights.recurrent.recurrent, tape.recalled, tape.gates, tape.scratch
        H, width = recalled.shape[1], recurrent.shape[1]
        span, panel = units_in_block(H, width), 0
        for block in range(0, H, span):  # so many units at once that what they need stays near
            if not additive:
                clear(0, n, scratch)
            for column in range(0, n_gates * span, width):
                if additive:  # to what is there of the inputs
                    place = column // span * (H - span) + block + column
                    add_panel(n, H, recalled, before, recurrent, panel, gates, first, place)
                else:
                    add_panel(n, H, recalled, before, recurrent, panel, scratch, 0, column)
                panel += H
            forward(n, first, before, after, block, span, H, weights.recurrent.vectors, tape)

    def step_backward(n, first, before, after, n_later, later, weights, tape, gradient):
        transposed, H = weights.recurrent.transposed, tape.hidden.shape[1]
        width = transposed.shape[1]
        span, panel = units_in_block(H, width), 0
        for block in range(0, H, span):
            for column in range(block, block + span, width):
                add_panel(n_later, n_gates * H, tape.d_recurrent, later, transposed, panel, tape.d_recalled, 0, column)
                panel += n_gates * H
            recall_backward(n_later, block, block + span, tape)
            backward(n, first, before, block, span, H, weights.recurrent.vectors, tape)

    return step, step_backward


def on_units(equations, derivative, n_gates, n_saved, n_memories, n_vectors=0, additive=True, projected=False):
    """The loops over units that equations of :func:`pointwise` stand for, some units of a time step at once.

    Where a cell is `projected`, its equations leave the hidden state to what comes after them, and gradients of it
    are read in the scratch.

    Returns
    -------
    forward : function
        ``forward(n, first, before, after, start, span, H, vectors, tape)``, for `span` of H units from `start` on.
    backward : function
        ``backward(n, first, before, start, span, H, vectors, tape)``.
    """
    equations, derivative = inline_here(equations), inline_here(derivative)
    read_gates, write_gates = READ[n_gates], WRITE[n_gates]
    read_saved, write_saved, read_vectors = READ[n_saved], WRITE[n_saved], READ[n_vectors]
    read_memory, write_memory = READ[n_memories], WRITE[n_memories]
    nothing = (-0.0,) * n_gates  # which leaves what it is added to as it is, and is never added in fact

    @inline_here
    def forward(n, first, before, after, start, span, H, vectors, tape):
        for b in range(n):
            for h in range(start, start + span, UNITS):
                old = read_memory(tape.memory, before + b, h, H)
                inputs = read_gates(tape.gates, first + b, h, H)
                own = inputs[0] if projected else load(tape.hidden, before + b, h, UNITS)
                recurrent = nothing if additive else read_gates(tape.scratch, b, h - start, span)
                alone = read_vectors(vectors, 0, h, H)
                new, new_memory, values, keep = equations(inputs, recurrent, own, old, alone)
                if not projected:
                    store(tape.hidden, after + b, h, new)
                write_gates(tape.gates, first + b, h, H, values)
                write_saved(tape.saved, first + b, h, H, keep)
                write_memory(tape.memory, after + b, h, H, new_memory)

    @inline_here
    def backward(n, first, before, start, span, H, vectors, tape):
        for b in range(n):
            for h in range(start, start + span, UNITS):
                if projected:
                    d_new = own = load(tape.scratch, b, h, UNITS)
                else:
                    d_new = load(tape.d_hidden, first + b, h, UNITS) + load(tape.d_later, b, h, UNITS)
                    own = load(tape.hidden, before + b, h, UNITS)
                d_new_memory, old = read_memory(tape.d_memory, b, h, H), read_memory(tape.memory, before + b, h, H)
                values, kept = read_gates(tape.gates, first + b, h, H), read_saved(tape.saved, first + b, h, H)
                alone = read_vectors(vectors, 0, h, H)
                d_in, d_product, d_direct, d_old = derivative(d_new, d_new_memory, values, kept, own, old, alone)
                write_gates(tape.gates, first + b, h, H, d_in)
                if not additive:
                    write_gates(tape.d_recurrent, first + b, h, H, d_product)
                if not projected:
                    store(tape.d_later, b, h, d_direct)
                write_memory(tape.d_memory, b, h, H, d_old)

    return forward, backward
