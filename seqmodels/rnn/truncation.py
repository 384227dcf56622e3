"""Truncated backpropagation through time: sequences in windows, through which the hidden state is carried on."""

from typing import NamedTuple

import numpy as np

from .packing import longest_first

__all__ = ["Window", "cut", "windows_in_turn"]


class Window(NamedTuple):
    """The next steps of some sequences, which one update learns from."""

    which: np.ndarray  # (n,) their numbers among all windows, or among the sequences where these are not cut
    state: np.ndarray | None  # (n, U) hidden states and memories before them; those after them are left there
    done: float  # the share of the batch that is done once this window is


def cut(offsets, n_steps=None):
    """Cut sequences into windows of so many steps, the last of each as long as what is left; None does not cut.

    Returns
    -------
    offsets : array (W + 1,)
        Where the windows lie, as `offsets` (N + 1,) say it of the sequences.
    firsts : array (N + 1,)
        The number of the first window of each sequence.
    """
    if n_steps is None:
        return offsets, np.arange(len(offsets))
    counts = -(-np.diff(offsets) // n_steps)
    firsts = np.concatenate([[0], np.cumsum(counts)])
    before = np.arange(firsts[-1]) - np.repeat(firsts[:-1], counts)  # windows of the same sequence
    return np.append(np.repeat(offsets[:-1], counts) + n_steps * before, offsets[-1]), firsts


def windows_in_turn(offsets, firsts, which, n_state, dtype):
    """The windows of the sequences `which`, step by step: each `Window` is to be worked on before the next is taken.

    A sequence leaves the batch where it ends; `offsets` (N + 1,) are those of whole sequences.
    """
    which = longest_first(offsets, which)
    first, counts = firsts[which], firsts[which + 1] - firsts[which]
    state = np.zeros((len(which), n_state), dtype)
    for window in range(counts[0]):
        n = int(np.count_nonzero(counts > window))
        yield Window(first[:n] + window, state[:n], (window + 1) / int(counts[0]))
