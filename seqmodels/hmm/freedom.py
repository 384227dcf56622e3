"""Which parameters of a fitted model are free."""

from typing import NamedTuple

import numpy as np

__all__ = ["ON_CHAIN", "Freedom"]

ON_CHAIN = "initial", "transition"


class Freedom(NamedTuple):
    """What training did with the parameters; pairs belong to the initial distribution and to the transitions.

    A zero is a parameter only where estimation came to it: one at the start of training is part of the model, and
    so is one that a user sets afterwards.
    """

    held: tuple  # of arrays (K,) and (K, K) of bool: not estimated
    vanished: tuple  # of bool: zero in the end, and not from the start
    fixed: tuple  # names of other parameters that were not estimated

    @classmethod
    def of(cls, chain, fixed, start, parameters, before=None):
        """From the first and the last parameters of training; zeros that had vanished `before` go on to be free."""
        held, vanished = [], []
        for which, (name, first, last) in enumerate(zip(ON_CHAIN, start[:2], parameters[:2], strict=True)):
            fixed_here = name in fixed or (name == "initial" and chain.tied)
            held.append(np.full(first.shape, True) if fixed_here else ~np.isnan(chain.held(first.shape)))
            possible = first > 0
            if before is not None and before.vanished[which].shape == first.shape:
                possible |= before.vanished[which]
            vanished.append((last == 0) & possible)
        return cls(tuple(held), tuple(vanished), tuple(name for name in fixed if name not in ON_CHAIN))

    @classmethod
    def of_given(cls, initial, transition):
        """Of a model whose parameters were given."""
        nothing = tuple(np.zeros(np.shape(array), dtype=bool) for array in (initial, transition))
        return cls(nothing, nothing, ())

    def count(self, initial, transition, emission, family):
        """The number of free parameters, with the present ones in place of those that training ended with."""
        total = 0 if "emission" in self.fixed else family.n_free(emission, self.fixed)
        for array, held, vanished in zip((initial, transition), self.held, self.vanished, strict=True):
            if np.shape(array) == held.shape:
                free = ~held & ((np.asarray(array) > 0) | vanished)
            else:
                free = np.asarray(array) > 0
            total += int(np.maximum(free.sum(axis=-1) - 1, 0).sum())
        return total

    def permuted(self, order):
        """The same with state ``order[k]`` as state k."""
        pairs = ((array[0][order], array[1][np.ix_(order, order)]) for array in (self.held, self.vanished))
        return Freedom(*pairs, self.fixed)
